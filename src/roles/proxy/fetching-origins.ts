// The origins of a proxy that mirrors: for a mirrored blob that no origin has yet, it makes the origins fetch the
// blob, waits and reads. In other repositories, a blob that the origins lack is unknown at once.

import { Effect, Stream } from "effect"
import { isOfArrival } from "../../protocol/wire/metainfo.ts"
import type { AskLimits } from "../client/limits.ts"
import type { OriginClient } from "../client/origin-client.ts"
import { BlobOnItsWay, OriginUnavailable } from "../client/origin-errors.ts"
import { whileFetched } from "../client/upstreams.ts"

type Reading = Pick<OriginClient, "stat" | "read">

export const fetchingOrigins = (
  origins: OriginClient,
  isMirrored: (repository: string) => boolean,
  limits: AskLimits
): Reading => {
  const stat: OriginClient["stat"] = (repository, digest) => {
    const asked = origins.stat(repository, digest)
    if (!isMirrored(repository)) return asked
    return Effect.catchTag(asked, "BlobUnknown", () =>
      origins.metainfo(repository, digest).pipe(
        // A proxy is in no swarm, and reads a blob once it is whole.
        Effect.filterOrFail(
          (bytes) => !isOfArrival(bytes),
          () => new BlobOnItsWay({ digest, message: `an origin is receiving ${digest}` })
        ),
        Effect.retry({
          while: (error) => error._tag === "BlobOnItsWay",
          schedule: whileFetched(limits)
        }),
        Effect.catchTag("BlobOnItsWay", ({ message }) => Effect.fail(new OriginUnavailable({ message }))),
        Effect.andThen(asked)
      )
    )
  }
  return {
    stat,
    read: (repository, digest, start, end) => {
      const bytes = origins.read(repository, digest, start, end)
      return isMirrored(repository) ? Stream.unwrap(Effect.as(stat(repository, digest), bytes)) : bytes
    }
  }
}
