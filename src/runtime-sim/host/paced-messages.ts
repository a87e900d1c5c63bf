// The rate limit on messages that a connection sends, as the transport of sockets applies it
// (runtime-net/sockets/ws-connection.ts): pieces wait, in order, until the listener's token bucket lets them go. Any
// other message overtakes them, except Close and Bye, which keep their place: nothing overtakes them either.

import type { Micros } from "../../protocol/kit/time.ts"
import type { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { keepsOrder, type Message, type SwarmId } from "../../protocol/wire/message.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import type { SimProcess } from "../network/sim-process.ts"

export interface PacedOutput {
  readonly pass: (message: Message, swarm: SwarmId | undefined) => void
  /** Nothing waits any more. */
  readonly drained: () => void
}

interface Waiting {
  readonly message: Message
  readonly swarm: SwarmId | undefined
}

export class PacedMessages implements EventTarget {
  readonly #process: SimProcess
  readonly #bucket: TokenBucket
  readonly #kind: number
  readonly #output: PacedOutput
  readonly #waiting: Waiting[] = []
  /** A Close or Bye waits: nothing may overtake from now on. */
  #inOrder = false

  constructor(process: SimProcess, bucket: TokenBucket, kind: number, output: PacedOutput) {
    this.#process = process
    this.#bucket = bucket
    this.#kind = kind
    this.#output = output
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Passes the message on now, or at its turn. */
  add(message: Message, swarm: SwarmId | undefined): void {
    const isPiece = message.tag === "Piece"
    const keepsPlace = isPiece || keepsOrder(message)
    if (this.#waiting.length === 0 ? !this.#mustWait(message) : !keepsPlace && !this.#inOrder) {
      this.#output.pass(message, swarm)
      return
    }
    if (!isPiece) this.#inOrder = true
    this.#waiting.push({ message, swarm })
  }

  clear(): void {
    this.#waiting.length = 0
  }

  fire(): void {
    // The first piece has waited for its turn. The others take theirs as they come up.
    let next = this.#process.alive ? this.#waiting.shift() : undefined
    if (next === undefined) return
    do {
      this.#output.pass(next.message, next.swarm)
      const following: Waiting | undefined = this.#waiting[0]
      if (following !== undefined && this.#mustWait(following.message)) return
      next = this.#waiting.shift()
    } while (next !== undefined)
    this.#inOrder = false
    this.#output.drained()
  }

  /** Takes the piece's tokens. When they are not there yet, an event follows when they are. */
  #mustWait(message: Message): boolean {
    if (message.tag !== "Piece") return false
    const { kernel, host } = this.#process
    const due: Micros = this.#bucket.reserve(message.payload.byteLength, kernel.now)
    if (due <= kernel.now) return false
    kernel.schedule(due, this, this.#kind, host.index, undefined)
    return true
  }
}
