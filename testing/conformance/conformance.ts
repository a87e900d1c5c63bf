// Conformance cases of stores: plain Effects over a host's storage, which the tests of each world run over their
// stores. A case fails with a sentence that says what is wrong.

import { Data, Effect, type Scope } from "effect"
import type { Payload } from "../../src/protocol/wire/payload.ts"
import type { Digests } from "../../src/roles/services/digests.ts"
import type { HostStorage } from "../../src/roles/services/host-storage.ts"

export class ConformanceFailed extends Data.TaggedError("ConformanceFailed")<{ readonly message: string }> {}

/** The storage of one host, new and empty. */
export interface StoragePlace {
  /** The storage as a host finds it when it starts. */
  readonly start: Effect.Effect<HostStorage["Service"]>
  /** Kills the host that was started last, like kill -9; call start again afterwards. */
  readonly kill: Effect.Effect<void>
  readonly digests: Digests["Service"]
  /** The bytes of a payload from a store of this world. */
  readonly bytesOf: (payload: Payload) => Uint8Array
}

export interface ConformanceCase {
  readonly name: string
  readonly run: (place: StoragePlace) => Effect.Effect<void, ConformanceFailed, Scope.Scope>
}

/** Makes an unexpected error the failure of the case. */
export const conformanceCase = (
  name: string,
  run: (place: StoragePlace) => Effect.Effect<void, unknown, Scope.Scope>
): ConformanceCase => ({
  name,
  run: (place) =>
    Effect.mapError(run(place), (error) =>
      error instanceof ConformanceFailed
        ? error
        : new ConformanceFailed({ message: `unexpected: ${describe(error)}` })
    )
})

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

export const expectThat = (condition: boolean, message: string): Effect.Effect<void, ConformanceFailed> =>
  condition ? Effect.void : Effect.fail(new ConformanceFailed({ message }))

/** Runs `effect`, which must fail with the tag `tag`, and returns its failure. */
export const expectFailure = <A, E extends { readonly _tag: string }, Tag extends E["_tag"], R>(
  effect: Effect.Effect<A, E, R>,
  tag: Tag
): Effect.Effect<Extract<E, { readonly _tag: Tag }>, ConformanceFailed, R> =>
  Effect.matchEffect(effect, {
    onSuccess: () => Effect.fail(new ConformanceFailed({ message: `expected ${tag}, but it succeeded` })),
    onFailure: (error) =>
      error._tag === tag
        ? Effect.succeed(error as Extract<E, { readonly _tag: Tag }>)
        : Effect.fail(new ConformanceFailed({ message: `expected ${tag}, got ${error._tag}` }))
  })

/** `length` bytes that depend on the offset and on `seed`. */
export const sampleBytes = (seed: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])
