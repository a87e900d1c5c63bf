// The rate limit on messages that a connection receives, as the transport of sockets applies it
// (runtime-net/sockets/ws-connection.ts): a piece is delivered when it has arrived, and then the socket of pieces is
// not read until the listener's token bucket has room for that piece. Later pieces wait, in order. Any other message
// overtakes them, except Close and Bye, which keep their place: nothing overtakes them either.

import type { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { keepsOrder, type Message } from "../../protocol/wire/message.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import type { SimProcess } from "../network/sim-process.ts"

export class HeldMessages implements EventTarget {
  readonly #process: SimProcess
  readonly #bucket: TokenBucket
  readonly #kind: number
  readonly #pass: (message: Message) => void
  readonly #waiting: Message[] = []
  #held = false
  /** A Close or Bye waits: nothing may overtake from now on. */
  #inOrder = false

  constructor(process: SimProcess, bucket: TokenBucket, kind: number, pass: (message: Message) => void) {
    this.#process = process
    this.#bucket = bucket
    this.#kind = kind
    this.#pass = pass
  }

  /** Passes the message on now, or when the connection is read again. */
  add(message: Message): void {
    const isPiece = message.tag === "Piece"
    if (!this.#held || !(isPiece || this.#inOrder || keepsOrder(message))) {
      this.#read(message)
      return
    }
    if (!isPiece) this.#inOrder = true
    this.#waiting.push(message)
  }

  clear(): void {
    this.#waiting.length = 0
  }

  fire(): void {
    this.#held = false
    while (!this.#held && this.#process.alive) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      this.#read(next)
    }
    if (this.#waiting.length === 0) this.#inOrder = false
  }

  #read(message: Message): void {
    this.#pass(message)
    if (message.tag !== "Piece") return
    const { kernel, host } = this.#process
    const due = this.#bucket.reserve(message.payload.byteLength, kernel.now)
    if (due <= kernel.now) return
    this.#held = true
    kernel.schedule(due, this, this.#kind, host.index, undefined)
  }
}
