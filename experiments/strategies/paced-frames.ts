// Token bucket of a host in one direction of a connection, as in Kraken: the tokens of a piece are reserved as a whole
// when it becomes the first of its connection, and later frames wait behind it in order.

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
  /** Bytes on the wire and tokens of each frame. */
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

  /** Passes the frame on, now or when it may go. A frame without tokens waits only for those before it. */
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
    // The first frame has its tokens; each of the others reserves its own when it becomes the first.
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
