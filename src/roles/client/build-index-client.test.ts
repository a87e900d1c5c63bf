// What the client of build-indexes says when one of them lacks or refuses what was asked: whom it asked, and for what.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { ociErrorResponse } from "../http/error-response.ts"
import { ociError } from "../oci/oci-error.ts"
import { type BuildIndexClient, makeBuildIndexClient } from "./build-index-client.ts"
import { AskLimits } from "./limits.ts"

const url = "http://index:1"
const repository = "demo/app"
const blob = digest("b")
const known = { epoch: "e", deletions: 0, version: 1 }

/** The client of a build-index that answers everything with this refusal. */
const refusing = (status: number) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const app = Effect.succeed(ociErrorResponse(ociError("UNSUPPORTED", { status, message: "not today" })))
    const listen = { host: "index", port: 1 }
    yield* world.start(Effect.succeed({ listeners: [{ name: "index", listen, app }] }))
    const make = withLimits(makeBuildIndexClient([url]), AskLimits, { upstreamRounds: 1 })
    return yield* Effect.provideContext(make, world.services)
  })

type Asked = readonly [
  what: string,
  ask: (client: BuildIndexClient) => Effect.Effect<unknown, { message: string }>
]

const ofOne: ReadonlyArray<Asked> = [
  ["tag 1 in demo/app", ({ tag }) => tag(repository, "1")],
  ["tag 1 in demo/app", ({ tagSince }) => tagSince(repository, "1", known)],
  ["tag 1 in demo/app", ({ history }) => history(repository, "1")],
  ["tag 1 in demo/app", ({ deleteTag }) => deleteTag(repository, "1", "me")],
  [`manifest ${blob} in demo/app`, ({ manifest }) => manifest(repository, blob)],
  [`manifest ${blob} in demo/app`, ({ deleteManifest }) => deleteManifest(repository, blob, "me")],
  [`blob ${blob} in demo/app`, ({ blob: get }) => get(repository, blob)],
  [`blob ${blob} in demo/app`, ({ unlink }) => unlink(repository, blob)],
  ["repository demo/app", ({ tags }) => tags(repository, { limit: 1 })]
]

/** What always exists: a member that lacks it is no build-index. */
const ofAny: ReadonlyArray<Asked> = [
  [`manifest ${blob} in demo/app`, ({ referrers }) => referrers(repository, blob, { limit: 1 })],
  ["list of repositories", ({ repositories }) => repositories({ limit: 1 })],
  ["list of references", ({ referenced }) => referenced([blob])]
]

describe("a build-index", () => {
  it.effect("that lacks what was asked is told by what it lacks", () =>
    Effect.gen(function* () {
      const client = yield* refusing(404)
      for (const [what, ask] of ofOne) {
        assert.strictEqual((yield* Effect.flip(ask(client))).message, `there is no ${what}`)
      }
      for (const [what, ask] of ofAny) {
        assert.strictEqual((yield* Effect.flip(ask(client))).message, `${url}: there is no ${what}`)
      }
      assert.isFalse(yield* client.hasBlob(repository, blob))
    }).pipe(Effect.scoped)
  )

  it.effect("that refuses is told with what it refused, and why", () =>
    Effect.gen(function* () {
      const client = yield* refusing(400)
      const reads = [...ofOne, ...ofAny].filter(([, ask]) => !/delete|unlink/.test(String(ask)))
      assert.isAbove(reads.length, 7)
      for (const [what, ask] of reads) {
        const { message } = yield* Effect.flip(ask(client))
        assert.include(message, `${url} refused ${what} with 400: not today`)
      }
      const { message } = yield* Effect.flip(client.putManifest(repository, record("a"), [], "me"))
      assert.strictEqual(message, "not today")
      const link = yield* Effect.flip(client.link(repository, blob, 1))
      assert.strictEqual(link.message, "a link was refused: not today")
    }).pipe(Effect.scoped)
  )
})
