// The upstream registry of tests of mirrors, on loopback: the fake one of the roles' own tests, on real sockets, with
// the content of an OCI layout. It requires tokens and redirects to a store of blobs.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { runHost } from "../../src/runtime-net/process/run-host.ts"
import { type FakeUpstreamState, fakeUpstream } from "../../testing/roles/fake-upstream.ts"

export interface UpstreamOnLoopback {
  /** "127.0.0.1:PORT" */
  readonly address: string
  readonly state: FakeUpstreamState
  /** Puts an image of the layout into a repository under a tag. */
  readonly publish: (
    repository: string,
    tag: string,
    image: { readonly digest: string; readonly mediaType: string }
  ) => void
  readonly close: () => Promise<void>
}

/** Serves all blobs of the OCI layout in `folder`. `port` and the two after it must be free. */
export const startUpstream = async (folder: string, port: number): Promise<UpstreamOnLoopback> => {
  const listen = (offset: number) => ({ host: "127.0.0.1", port: port + offset })
  const url = (offset: number) => `http://127.0.0.1:${port + offset}`
  const scope = Effect.runSync(Scope.make())
  const { role } = await Effect.runPromise(
    Scope.provide(
      runHost(
        fakeUpstream({
          registry: listen(0),
          tokens: listen(1),
          blobs: listen(2),
          tokensUrl: url(1),
          blobsUrl: url(2)
        })
      ),
      scope
    )
  )
  const { state } = role
  state.auth = "bearer"
  state.redirectBlobs = true
  const blobs = join(folder, "blobs", "sha256")
  for (const name of readdirSync(blobs)) {
    state.blobs.set(`sha256:${name}` as Digest, readFileSync(join(blobs, name)))
  }
  return {
    address: `127.0.0.1:${port}`,
    state,
    publish: (repository, tag, { digest, mediaType }) => {
      const bytes = state.blobs.get(digest as Digest)!
      state.manifests.set(`${repository} ${digest}`, { bytes, mediaType })
      state.tags.set(`${repository} ${tag}`, digest as Digest)
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
