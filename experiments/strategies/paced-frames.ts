// Decides what a host's token bucket does to one direction of a connection, in Kraken's manner: a piece's tokens are
// reserved whole when it has become the first of its connection, and what follows waits behind it, in order.

import type { TokenBucket } from "../../src/protocol/kit/token-bucket.ts"
import type { EventTarget } from "../../src/runtime-sim/kernel/event-queue.ts"
import type { Kernel } from "../../src/runtime-sim/kernel/kernel.ts"

export type FrameBody = number | object

export class PacedFrames implements EventTarget {
  readonly #kernel: Kernel
  readonly #bucket: TokenBucket
  readonly #kind: number
  readonly #host: number
  readonly #pass: (body: FrameBody, bytes: number) => void
  readonly #bodies: Array<FrameBody> = []
  /** Bytes on the wire and tokens, frame by frame. */
  readonly #sizes: Array<number> = []

  constructor(
    kernel: Kernel,
    bucket: TokenBucket,
    kind: number,
    host: number,
    pass: (body: FrameBody, bytes: number) => void
  ) {
    this.#kernel = kernel
    this.#bucket = bucket
    this.#kind = kind
    this.#host = host
    this.#pass = pass
  }

  /** Passes the frame on now, or when its turn has come. No tokens: it waits for those before it only. */
  add(body: FrameBody, bytes: number, tokens: number): void {
    if (this.#bodies.length === 0 && !this.#mustWait(tokens)) {
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
    // The first has waited for its turn; the others take theirs as they come up.
    while (this.#bodies.length > 0) {
      const body = this.#bodies.shift()!
      const bytes = this.#sizes.shift()!
      this.#sizes.shift()
      this.#pass(body, bytes)
      if (this.#bodies.length > 0 && this.#mustWait(this.#sizes[1]!)) return
    }
  }

  #mustWait(tokens: number): boolean {
    if (tokens === 0) return false
    const { now } = this.#kernel
    const due = this.#bucket.reserve(tokens, now)
    if (due <= now) return false
    this.#kernel.schedule(due, this, this.#kind, this.#host, undefined)
    return true
  }
}
