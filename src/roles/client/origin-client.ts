// The client of the cluster of origins. Each blob has its owners in rendezvous order over all origins, and a healthy
// origin further down stands in for an owner that is down. Reads continue at another origin where one broke off. It
// does not know what a blob is for.

import { Array as Arr, Clock, Effect, Exit, Option, type Stream } from "effect"
import { type HttpClient, HttpClientRequest } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { PeerAddress } from "../../protocol/wire/peer-id.ts"
import type { BlobStat } from "../services/blob-store.ts"
import { makeExpiringCache } from "../services/expiring-cache.ts"
import { apiClient } from "./api-client.ts"
import { askMetainfo } from "./ask-metainfo.ts"
import { formatBlobPath } from "./blob-path.ts"
import { type OutgoingBlob, sendBlob } from "./blob-send.ts"
import { OriginApi } from "./origin-api.ts"
import {
  BlobOnItsWay,
  BlobRejected,
  blobUnknown,
  type OriginReadError,
  OriginUnavailable
} from "./origin-errors.ts"
import { readFromOrigins } from "./origin-read.ts"
import {
  baseUrl,
  discardBody,
  inRounds,
  makeUpstreams,
  noneHealthy,
  refusedBy,
  type SearchResult,
  type UpstreamFailed,
  unrefused
} from "./upstreams.ts"

export interface OriginClient {
  readonly stat: (namespace: string, digest: Digest) => Effect.Effect<BlobStat, OriginReadError>
  /** Bytes [start, end) of a blob. On a failure midway it continues at another origin. */
  readonly read: (
    namespace: string,
    digest: Digest,
    start: number,
    end: number
  ) => Stream.Stream<Uint8Array, OriginReadError>
  /**
   * Like `stat`, for a caller that is about to link the blob: the other owners are touched too, so that none of them
   * collects it before it is linked. `link` runs while that holds, and again when it took longer.
   */
  readonly rely: <A, E, R>(
    namespace: string,
    digest: Digest,
    link: (stat: BlobStat) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | OriginReadError, R>
  /**
   * Makes the blob durable at an origin, which tries to copy it to the other owners, then runs `link` like `rely`.
   */
  readonly put: <A, E, R>(
    namespace: string,
    digest: Digest,
    blob: OutgoingBlob<unknown>,
    link: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | BlobRejected | OriginUnavailable, R>
  /** Canonical bytes, perhaps of an arrival. For a blob of a mirrored registry, it makes the origins fetch it. */
  readonly metainfo: (
    namespace: string,
    digest: Digest
  ) => Effect.Effect<Uint8Array, OriginReadError | BlobOnItsWay>
  /** Peer addresses of the digest's owners, with stand-ins for those that are down. */
  readonly seeds: (digest: Digest) => Effect.Effect<ReadonlyArray<PeerAddress>>
  /** Reasons why no origin answers, one line each; empty when one does. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

/**
 * Touches, then links. A link that came later than `reliance` after the touch may be of a blob that was collected in
 * between, so both are done once more: now the link itself keeps the blob, and the touch shows whether it is there.
 */
const linkedInTime = <T, E1, R1, A, E2, R2>(
  touch: Effect.Effect<T, E1, R1>,
  link: (touched: T) => Effect.Effect<A, E2, R2>,
  reliance: Micros
): Effect.Effect<A, E1 | E2, R1 | R2> =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const linked = yield* Effect.flatMap(touch, link)
    if ((yield* Clock.currentTimeMillis) - begun <= reliance / 1_000) return linked
    return yield* Effect.flatMap(touch, link)
  })

const api = apiClient(OriginApi)

export const makeOriginClient = (
  origins: ReadonlyArray<string>
): Effect.Effect<OriginClient, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const members = origins.map(baseUrl)
    const upstreams = yield* makeUpstreams
    const { limits } = upstreams
    const order = (digest: Digest) => ringOwners(digest, members, members.length)

    /** The find of a search, or the error that its end means. A search without answers is repeated. */
    const searched = <A>(
      digest: Digest,
      search: Effect.Effect<SearchResult<A>>
    ): Effect.Effect<A, OriginReadError> =>
      search.pipe(
        Effect.flatMap(({ found, lacking, failures }): Effect.Effect<A, OriginReadError> => {
          if (Option.isSome(found)) return Effect.succeed(found.value)
          if (lacking > 0) return Effect.fail(blobUnknown(digest, failures))
          return Effect.fail(new OriginUnavailable({ message: `no origin answered: ${failures.join("; ")}` }))
        }),
        inRounds(limits, ({ _tag }) => _tag === "OriginUnavailable")
      )

    const statAt = (url: string, namespace: string, digest: Digest) =>
      upstreams.ask(
        url,
        HttpClientRequest.head(url + formatBlobPath({ tag: "Blob", namespace, digest })),
        limits.askTimeout,
        (response) =>
          Effect.gen(function* () {
            if (response.status === 200) {
              yield* discardBody(response)
              const length = Number(response.headers["content-length"])
              return Option.some<BlobStat>({ digest, length })
            }
            if (response.status !== 404) return yield* refusedBy(url, `a question for ${digest}`, response)
            yield* discardBody(response)
            return Option.none<BlobStat>()
          })
      )

    /**
     * The request touches the blob at the other owners. An owner that does not answer may lose its copy, and repairs
     * it later.
     */
    const touchOthers = (url: string, namespace: string, digest: Digest): Effect.Effect<void> =>
      Effect.gen(function* () {
        const owners = ringOwners(digest, members, limits.originReplicas).filter((other) => other !== url)
        yield* Effect.forEach(
          yield* upstreams.awake(owners),
          (other) => Effect.ignore(statAt(other, namespace, digest)),
          { concurrency: limits.maxParallelAsks, discard: true }
        )
      })

    const putAt = (
      url: string,
      namespace: string,
      digest: Digest,
      blob: OutgoingBlob<unknown>
    ): Effect.Effect<void, BlobRejected | UpstreamFailed> =>
      Effect.gen(function* () {
        // Blobs are the same everywhere, so one that is there need not be sent.
        if (Option.isSome(yield* statAt(url, namespace, digest))) {
          return yield* touchOthers(url, namespace, digest)
        }
        const request = HttpClientRequest.put(url + formatBlobPath({ tag: "Blob", namespace, digest }))
        yield* sendBlob(upstreams, url, request, blob, (response) =>
          Effect.gen(function* () {
            if (response.status === 201) return yield* discardBody(response)
            // Another client brought it meanwhile.
            if (response.status === 200) {
              return yield* Effect.andThen(discardBody(response), touchOthers(url, namespace, digest))
            }
            if (response.status !== 400) return yield* refusedBy(url, digest, response)
            const message = `${url} refused ${digest}: ${yield* response.text}`
            return yield* new BlobRejected({ digest, message })
          })
        )
      })

    const putOnce = (namespace: string, digest: Digest, blob: OutgoingBlob<unknown>) =>
      Effect.gen(function* () {
        const failures: string[] = []
        for (const url of yield* upstreams.preferred(order(digest))) {
          const failure = yield* Effect.match(putAt(url, namespace, digest, blob), {
            onSuccess: () => undefined,
            onFailure: (error) => error
          })
          if (failure === undefined) return
          if (failure._tag === "BlobRejected") return yield* failure
          yield* Effect.annotateLogs(
            Effect.logWarning("an origin did not take a blob, the next is tried:", failure.message),
            { origin: url, digest }
          )
          failures.push(failure.message)
        }
        return yield* new OriginUnavailable({ message: `no origin took ${digest}: ${failures.join("; ")}` })
      }).pipe(inRounds(limits, ({ _tag }) => _tag === "OriginUnavailable"))

    const peers = yield* makeExpiringCache(
      (url: string) =>
        upstreams.call(url, limits.healthTimeout, api.peer.get({})).pipe(unrefused(url, "its peer address")),
      {
        capacity: members.length,
        lifetime: (result) =>
          Exit.isSuccess(result) ? limits.originPeerLifetime : limits.originPeerFailureLifetime
      }
    )

    return {
      stat: (namespace, digest) =>
        searched(
          digest,
          upstreams.search(order(digest), (url) => statAt(url, namespace, digest))
        ),
      read: (namespace, digest, start, end) =>
        readFromOrigins({ upstreams, order: order(digest), namespace, digest, start, end }),
      rely: (namespace, digest, link) =>
        linkedInTime(
          searched(
            digest,
            upstreams.search(order(digest), (url) =>
              Effect.map(
                statAt(url, namespace, digest),
                Option.map((stat) => ({ stat, url }))
              )
            )
          ).pipe(Effect.tap(({ url }) => touchOthers(url, namespace, digest))),
          ({ stat }) => link(stat),
          limits.touchReliance
        ),
      put: (namespace, digest, blob, link) =>
        linkedInTime(putOnce(namespace, digest, blob), () => link, limits.touchReliance),
      metainfo: (namespace, digest) =>
        searched(
          digest,
          upstreams.search(order(digest), (url) =>
            askMetainfo(upstreams, url, { tag: "Metainfo", namespace, digest }, limits.httpTimeout)
          )
        ).pipe(
          Effect.flatMap((found) =>
            found instanceof BlobOnItsWay ? Effect.fail(found) : Effect.succeed(found.bytes)
          )
        ),
      seeds: (digest) =>
        Effect.gen(function* () {
          const found: PeerAddress[] = []
          const preferred = yield* upstreams.preferred(order(digest))
          for (let next = 0; next < preferred.length && found.length < limits.originReplicas; ) {
            const asked = preferred.slice(next, next + limits.originReplicas - found.length)
            next += asked.length
            const answers = yield* Effect.forEach(asked, (url) => Effect.option(peers.get(url)), {
              concurrency: "unbounded"
            })
            found.push(...Arr.getSomes(answers))
          }
          return found
        }),
      notReady: noneHealthy(upstreams, members)
    }
  })
