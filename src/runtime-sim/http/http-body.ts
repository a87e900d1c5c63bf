// The body of an HTTP message on a simulated connection: chunks of at most 256 KiB, with credit. The receiver returns
// credit when its reader has taken bytes, so a reader that stops also stops the writer, after one window. Chunks
// travel by reference; nothing is copied.
//
// Invariant: at most `bodyWindow` bytes of a body are sent and not yet read, except for one chunk that is larger.

import { Cause, Effect, Stream } from "effect"

const bodyWindow = 1024 * 1024
const maxChunk = 256 * 1024
/** Credit is returned in steps of this many bytes, so that a window always has room for one more chunk. */
const creditStep = 256 * 1024

/** The connection under a body ended before the body. `message` says how. */
export class BodyBroken extends Error {
  override readonly name = "BodyBroken"
}

type Resume<A, E = never> = (effect: Effect.Effect<A, E>) => void

/** The receiving half. Chunks wait here for their reader. */
export class BodyInbox {
  #chunks: Uint8Array[] = []
  #ended = false
  /**
   * Why no more bytes come. The error is made for a reader that reads on, because most bodies were read to the end.
   */
  #broken: string | undefined
  #untold = 0
  #waiting: Resume<void> | undefined
  readonly #giveCredit: (bytes: number) => void
  readonly #finished: () => void

  /** @param finished Called once the reader has everything, or has given up (after `abandoned`). */
  constructor(giveCredit: (bytes: number) => void, finished: () => void) {
    this.#giveCredit = giveCredit
    this.#finished = finished
  }

  get ended(): boolean {
    return this.#ended
  }

  push(chunk: Uint8Array): void {
    if (this.#ended || this.#broken !== undefined) return
    this.#chunks.push(chunk)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** No more bytes come. The reader still gets those that arrived. */
  break(reason: string): void {
    if (this.#ended || this.#broken !== undefined) return
    this.#broken = reason
    this.#wake()
  }

  /** All bytes, in order, for one reader. `abandoned` is called when the reader leaves before the end. */
  stream(abandoned: () => void): Stream.Stream<Uint8Array, BodyBroken> {
    return Stream.fromPull(
      Effect.as(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (!this.#ended || this.#chunks.length > 0) abandoned()
          })
        ),
        this.#pull
      )
    ).pipe(Stream.scoped)
  }

  readonly #pull: Effect.Effect<[Uint8Array, ...Uint8Array[]], BodyBroken | Cause.Done> = Effect.suspend(
    () => {
      if (this.#chunks.length > 0) {
        const chunks = this.#chunks
        this.#chunks = []
        for (const chunk of chunks) this.#untold += chunk.byteLength
        if (this.#ended) {
          this.#finished()
        } else if (this.#untold >= creditStep) {
          this.#giveCredit(this.#untold)
          this.#untold = 0
        }
        return Effect.succeed(chunks as [Uint8Array, ...Uint8Array[]])
      }
      if (this.#ended) {
        this.#finished()
        return Cause.done()
      }
      if (this.#broken !== undefined) return Effect.fail(new BodyBroken(this.#broken))
      return Effect.andThen(
        Effect.callback<void>((resume) => {
          this.#waiting = resume
          return Effect.sync(() => {
            this.#waiting = undefined
          })
        }),
        this.#pull
      )
    }
  )

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(Effect.void)
  }
}

/** The sending half. It hands chunks to the connection as far as credit allows. */
export class BodyOutbox {
  #outstanding = 0
  #broken: string | undefined
  #waiting: Resume<void> | undefined
  readonly #send: (chunk: Uint8Array) => void

  constructor(send: (chunk: Uint8Array) => void) {
    this.#send = send
  }

  credit(bytes: number): void {
    this.#outstanding -= bytes
    this.#wake()
  }

  break(reason: string): void {
    this.#broken ??= reason
    this.#wake()
  }

  /** Sends the whole stream, and waits for credit. */
  write<E>(body: Stream.Stream<Uint8Array, E>): Effect.Effect<void, E | BodyBroken> {
    return Stream.runForEach(body, (chunk) => this.#writeFrom(chunk, 0))
  }

  #writeFrom(chunk: Uint8Array, start: number): Effect.Effect<void, BodyBroken> {
    return Effect.suspend(() => {
      let at = start
      while (at < chunk.byteLength) {
        if (this.#broken !== undefined) return Effect.fail(new BodyBroken(this.#broken))
        const size = Math.min(maxChunk, chunk.byteLength - at)
        if (this.#outstanding > 0 && this.#outstanding + size > bodyWindow) {
          return Effect.andThen(this.#room, this.#writeFrom(chunk, at))
        }
        this.#outstanding += size
        this.#send(size === chunk.byteLength ? chunk : chunk.subarray(at, at + size))
        at += size
      }
      return Effect.void
    })
  }

  readonly #room = Effect.callback<void>((resume) => {
    this.#waiting = resume
    return Effect.sync(() => {
      this.#waiting = undefined
    })
  })

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(Effect.void)
  }
}
