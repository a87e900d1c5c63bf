// Decides how the bytes of an HTTP body cross a simulated connection: in chunks of at most 256 KiB, with credit. The
// receiver gives credit back when its reader has taken bytes, so a reader that stops stops the writer after a window.
// Chunks travel by reference; nothing is copied.
//
// Invariant: at most `bodyWindow` bytes of a body are sent and not taken, but for one chunk that is larger.

import { Cause, Effect, Stream } from "effect"

const bodyWindow = 1024 * 1024
const maxChunk = 256 * 1024
/** Taken bytes are told when they are this many: a window always has room for one chunk more. */
const creditStep = 256 * 1024

/** The connection under a body ended before the body did. `message` says how. */
export class BodyBroken extends Error {
  override readonly name = "BodyBroken"
}

type Resume<A, E = never> = (effect: Effect.Effect<A, E>) => void

/** The receiving half: chunks wait here for their reader. */
export class BodyInbox {
  #chunks: Uint8Array[] = []
  #ended = false
  /** Why nothing more comes. The error is made for whoever reads on: most that close were read to the end. */
  #broken: string | undefined
  #untold = 0
  #waiting: Resume<void> | undefined
  readonly #giveCredit: (bytes: number) => void
  readonly #finished: () => void

  /** @param finished is called once the reader has everything, or gave up (then `abandoned` was called before). */
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

  /** Nothing more comes. What came before is still read first. */
  break(reason: string): void {
    if (this.#ended || this.#broken !== undefined) return
    this.#broken = reason
    this.#wake()
  }

  /** All bytes, in order; when the reader leaves before the end, `abandoned` is called. For one reader. */
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

/** The sending half: hands chunks to the connection as far as credit goes. */
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

  /** Sends everything the stream gives, waiting for credit. */
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
