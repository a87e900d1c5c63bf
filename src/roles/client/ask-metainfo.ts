// Decides how an origin or a tracker is asked for a blob's metainfo, and what of its answer is believed: well-formed
// metainfo of that blob and no other. That it has none, or that an origin is fetching the blob, are answers as well.

import { Effect, Option } from "effect"
import { HttpClientRequest } from "effect/http"
import type { Micros } from "../../protocol/kit/time.ts"
import { decodeMetainfo, type Metainfo } from "../../protocol/wire/metainfo.ts"
import { type BlobEndpoint, formatBlobPath } from "./blob-path.ts"
import { BlobOnItsWay } from "./origin-errors.ts"
import { discardBody, refusedBy, UpstreamFailed, type Upstreams } from "./upstreams.ts"

interface FoundMetainfo {
  readonly metainfo: Metainfo
  /** As it came, to be passed on. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** What the member at `url` says: none when it knows no such blob. */
export type MetainfoAnswer = Option.Option<FoundMetainfo | BlobOnItsWay>

/** A namespace's blob, wherever it is; or what the origin itself has, which fetches nothing for it. */
type Asked = Extract<BlobEndpoint, { readonly tag: "Metainfo" | "OwnMetainfo" }>

export const askMetainfo = (
  upstreams: Upstreams,
  url: string,
  asked: Asked,
  within: Micros
): Effect.Effect<MetainfoAnswer, UpstreamFailed> => {
  const { digest } = asked
  const bad = (why: string) => Effect.fail(new UpstreamFailed({ url, message: `${url} gave ${why}` }))
  return upstreams.ask(url, HttpClientRequest.get(url + formatBlobPath(asked)), within, (response) =>
    Effect.gen(function* () {
      if (response.status === 404 || response.status === 202) {
        yield* discardBody(response)
        if (response.status === 404) return Option.none()
        const message = `${digest} is being fetched from its upstream, says ${url}`
        return Option.some(new BlobOnItsWay({ digest, message }))
      }
      if (response.status !== 200) return yield* refusedBy(url, `the metainfo of ${digest}`, response)
      const bytes = new Uint8Array(yield* response.arrayBuffer)
      const metainfo = decodeMetainfo(bytes)
      if ("tag" in metainfo) return yield* bad(`bad metainfo of ${digest}: ${metainfo.reason}`)
      if (metainfo.digest !== digest) return yield* bad(`the metainfo of ${metainfo.digest} for ${digest}`)
      return Option.some({ metainfo, bytes })
    })
  )
}
