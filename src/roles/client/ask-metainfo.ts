// Asks an origin or a tracker for a blob's metainfo. An accepted answer is well-formed metainfo of that blob and no
// other, or its arrival, while an origin receives the blob. "There is none" and "an origin is fetching the blob" are
// answers as well.

import { Effect, Option } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import { decodeSwarmInfo, type SwarmInfo } from "../../protocol/wire/metainfo.ts"
import { apiClient } from "./api-client.ts"
import type { BlobEndpoint } from "./blob-path.ts"
import { OriginApi } from "./origin-api.ts"
import { BlobOnItsWay } from "./origin-errors.ts"
import { refusal, UpstreamFailed, type Upstreams } from "./upstreams.ts"

interface FoundMetainfo {
  readonly metainfo: SwarmInfo
  /** The received bytes, to be passed on. */
  readonly bytes: Uint8Array
}

/** The answer of the member at `url`: none when it knows no such blob. */
export type MetainfoAnswer = Option.Option<FoundMetainfo | BlobOnItsWay>

/** A namespace's blob, wherever it is; or only the origin's own copy, for which it fetches nothing. */
type Asked = Extract<BlobEndpoint, { readonly tag: "Metainfo" | "OwnMetainfo" }>

const api = apiClient(OriginApi)

export const askMetainfo = (
  upstreams: Upstreams,
  url: string,
  asked: Asked,
  within: Micros
): Effect.Effect<MetainfoAnswer, UpstreamFailed> => {
  const { digest } = asked
  const bad = (why: string) => Effect.fail(new UpstreamFailed({ url, message: `${url} gave ${why}` }))
  const read = (bytes: Uint8Array): Effect.Effect<MetainfoAnswer, UpstreamFailed> => {
    const metainfo = decodeSwarmInfo(bytes)
    if ("tag" in metainfo) return bad(`bad metainfo of ${digest}: ${metainfo.reason}`)
    if (metainfo.digest !== digest) return bad(`the metainfo of ${metainfo.digest} for ${digest}`)
    return Effect.succeed(Option.some({ metainfo, bytes }))
  }
  const question =
    asked.tag === "Metainfo"
      ? api.metainfo.get({ params: { namespace: asked.namespace, digest } })
      : api.ownmetainfo.get({ params: { digest } })
  return Effect.matchEffect(upstreams.call(url, within, question), {
    onSuccess: (answer) => {
      if (typeof answer !== "string") return read(answer)
      const message = `${digest} is being fetched from its upstream, says ${url}`
      return Effect.succeed(Option.some(new BlobOnItsWay({ digest, message })))
    },
    onFailure: (error) => {
      if (error._tag !== "OciError") return Effect.fail(error)
      return error.status === 404
        ? Effect.succeed(Option.none())
        : Effect.fail(refusal(url, `the metainfo of ${digest}`, error))
    }
  })
}
