// Test cluster of four origins in a memory world; three of them own each blob.

import { Effect } from "effect"
import { ringOwners } from "../../src/protocol/kit/hash-ring.ts"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { formatBlobPath } from "../../src/roles/client/blob-path.ts"
import { makeOriginClient } from "../../src/roles/client/origin-client.ts"
import { originConfig } from "../../src/roles/origin/config.ts"
import { origin } from "../../src/roles/origin/origin.ts"
import type { UpstreamSettings } from "../../src/roles/upstream/mirror-config.ts"
import type { MemoryWorld, RunningRole } from "./memory-world.ts"
import { someBytes } from "./push.ts"

export const url = (name: string) => `http://${name}:1`
export const names = ["origin-a", "origin-b", "origin-c", "origin-d"] as const
export const urls = [url(names[0]), ...names.slice(1).map(url)] as const
/** The digest of a blob that no origin has. */
export const nothing = `sha256:${"0".repeat(64)}` as Digest

export const startOrigin = (
  world: MemoryWorld,
  name: string,
  origins: readonly [string, ...ReadonlyArray<string>] = urls,
  upstreams: ReadonlyArray<UpstreamSettings> = []
) =>
  world.start(
    origin(
      originConfig({
        data: name,
        peer: { host: name, port: 2 },
        http: { host: name, port: 1 },
        origins,
        self: url(name),
        upstreams
      })
    )
  )

/** Runs a test over the cluster; the test may stop and start origins. */
export const inCluster = <A, E>(
  world: MemoryWorld,
  test: (world: MemoryWorld, running: Map<string, RunningRole<unknown>>) => Effect.Effect<A, E>,
  started: ReadonlyArray<string> = names
) =>
  Effect.gen(function* () {
    const running = new Map<string, RunningRole<unknown>>()
    for (const name of started) running.set(name, yield* startOrigin(world, name))
    yield* Effect.ensuring(
      test(world, running),
      Effect.suspend(() => Effect.forEach(running.values(), ({ stop }) => stop))
    )
  })

export const clientOf = (world: MemoryWorld) => Effect.provide(makeOriginClient(urls), world.services)

export const blobUrl = (name: string, digest: Digest) =>
  url(name) + formatBlobPath({ tag: "Blob", namespace: "demo/app", digest })
export const metainfoUrl = (name: string, digest: Digest) =>
  url(name) + formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest })

/** The names of all origins, the owners of the blob first. */
const ranked = (digest: Digest) =>
  ringOwners(digest, urls, 4).map((owner) => new URL(owner).hostname) as [string, string, string, string]
export const ownersOf = (digest: Digest): readonly [string, string, string] => {
  const [first, second, third] = ranked(digest)
  return [first, second, third]
}
/** The origin that does not own the blob. */
export const nonOwnerOf = (digest: Digest) => ranked(digest)[3]

/** The origins that have the complete blob. */
export const holders = (world: MemoryWorld, digest: Digest) =>
  names.filter((name) => world.blobs(name).blobs.has(digest))

/** Copies that are queued at an origin. */
export const waiting = (world: MemoryWorld, name: string) => world.tables(name).rows("replication").length

export const blob = (world: MemoryWorld, seed: number, length = 10_000) => {
  const bytes = someBytes(seed, length)
  return { bytes, digest: world.digests.digest("sha256", bytes) }
}
