// Default upstream of an agent, for requests without `ns`. Docker asks its registry-mirrors for images of Docker Hub
// by a bare path. Such a name is the cluster's own repository if it exists, and the default upstream's otherwise.
//
// Invariant: a repository of the cluster is never mixed with an upstream's. A repository that exists in the cluster
// answers alone, also for tags that it lacks.

import { Effect, Exit, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import type { ImageSource, ImageUnavailable } from "../registry/image-source.ts"
import { makeExpiringCache } from "../services/expiring-cache.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import { type MirrorNames, mirroredRepository } from "../upstream/mirror-names.ts"
import { AgentLimits } from "./limits.ts"

export const withDefaultUpstream = (source: ImageSource, names: MirrorNames): Effect.Effect<ImageSource> =>
  Effect.gen(function* () {
    const prefix = names.defaultPrefix
    if (prefix === undefined) return source
    const { ownershipLifetime } = yield* AgentLimits
    const { maxUpstreamAnswers } = yield* UpstreamLimits
    /** The last answers, used while no build-index answers; oldest first. */
    const known = new BoundedMap<string, boolean>(maxUpstreamAnswers)

    const ask = (repository: string): Effect.Effect<boolean, ImageUnavailable> =>
      source.tags(repository, { limit: 1 }).pipe(
        Effect.as(true),
        Effect.catchTag("ImageUnknown", () => Effect.succeed(false)),
        Effect.tap((isOwn) =>
          Effect.sync(() => {
            known.set(repository, isOwn)
          })
        ),
        Effect.catch((error) => {
          const before = known.get(repository)
          return before === undefined ? Effect.fail(error) : Effect.succeed(before)
        })
      )

    const own = yield* makeExpiringCache(ask, {
      capacity: maxUpstreamAnswers,
      lifetime: (result) => (Exit.isSuccess(result) ? ownershipLifetime : 0)
    })

    /** The repository that a name refers to. */
    const meant = (repository: string): Effect.Effect<string, ImageUnavailable> => {
      const mirrored = names.isMirrored(repository) ? undefined : mirroredRepository(prefix, repository)
      if (mirrored === undefined) return Effect.succeed(repository)
      return Effect.map(own.get(repository), (isOwn) => (isOwn ? repository : mirrored))
    }

    const { prepareBlob } = source
    return {
      ...source,
      resolve: (repository, reference) =>
        Effect.flatMap(meant(repository), (name) => source.resolve(name, reference)),
      manifest: (repository, manifest) =>
        Effect.flatMap(meant(repository), (name) => source.manifest(name, manifest)),
      statBlob: (repository, digest) =>
        Effect.flatMap(meant(repository), (name) => source.statBlob(name, digest)),
      ...(prepareBlob === undefined
        ? {}
        : {
            prepareBlob: (repository, digest, selection) =>
              Effect.flatMap(meant(repository), (name) => prepareBlob(name, digest, selection))
          }),
      readBlob: (repository, digest, selection) =>
        Stream.unwrap(Effect.map(meant(repository), (name) => source.readBlob(name, digest, selection))),
      referrers: (repository, subject, page, artifactType) =>
        Effect.flatMap(meant(repository), (name) => source.referrers(name, subject, page, artifactType)),
      history: (repository, tag) => Effect.flatMap(meant(repository), (name) => source.history(name, tag)),
      tags: (repository, page) => Effect.flatMap(meant(repository), (name) => source.tags(name, page))
    }
  })
