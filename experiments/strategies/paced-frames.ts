// Token bucket of a host in one direction of a connection, as in Kraken: the tokens of a piece are reserved as a whole
// when it becomes the first of its connection, and later frames wait behind it in order.
//
// A sender of Kraken writes the header of a piece, then reserves the tokens, then writes the piece; a receiver reads
// the header, reserves the tokens, then reads the piece. So both wait at the same time, and a receiver gives tokens
// away for a piece whose sender has none yet. (Until 2026-11-30 the model sent header and piece together, and the two
// waits came one after the other.) `begin` is called when a frame with tokens becomes the first, before they are
// reserved.

import type { TokenBucket } from "../../src/protocol/kit/token-bucket.ts"
import type { EventTarget } from "../../src/runtime-sim/kernel/event-queue.ts"
import type { Kernel } from "../../src/runtime-sim/kernel/kernel.ts"

export type FrameBody = number | object

const nothing = (): void => {}

export class PacedFrames implements EventTarget {
  readonly #kernel: Kernel
  readonly #bucket: TokenBucket
  readonly #kind: number
  readonly #host: number
  readonly #pass: (body: FrameBody, bytes: number) => void
  readonly #begin: (body: FrameBody) => void
  readonly #bodies: Array<FrameBody> = []
  /** Bytes on the wire and tokens of each frame. */
  readonly #sizes: Array<number> = []

  constructor(
    kernel: Kernel,
    bucket: TokenBucket,
    kind: number,
    host: number,
    pass: (body: FrameBody, bytes: number) => void,
    begin: (body: FrameBody) => void = nothing
  ) {
    this.#kernel = kernel
    this.#bucket = bucket
    this.#kind = kind
    this.#host = host
    this.#pass = pass
    this.#begin = begin
  }

  /** Passes the frame on, now or when it may go. A frame without tokens waits only for those before it. */
  add(body: FrameBody, bytes: number, tokens: number): void {
    if (this.#bodies.length === 0 && !this.#mustWait(body, tokens)) {
      this.#pass(body, bytes)
      return
    }
    this.#bodies.push(body)
    this.#sizes.push(bytes, tokens)
  }

  clear(): void {
    this.#bodies.length = 0
    this.#sizes.length = 0
  }

  fire(): void {
    // The first frame has its tokens; each of the others reserves its own when it becomes the first.
    while (this.#bodies.length > 0) {
      const body = this.#bodies.shift()!
      const bytes = this.#sizes.shift()!
      this.#sizes.shift()
      this.#pass(body, bytes)
      if (this.#bodies.length > 0 && this.#mustWait(this.#bodies[0]!, this.#sizes[1]!)) return
    }
  }

  #mustWait(body: FrameBody, tokens: number): boolean {
    if (tokens === 0) return false
    this.#begin(body)
    const { now } = this.#kernel
    const due = this.#bucket.reserve(tokens, now)
    if (due <= now) return false
    this.#kernel.schedule(due, this, this.#kind, this.#host, undefined)
    return true
  }
}
