// Decides what can be configured: one schema a role, the same for a YAML file, a JSON file, flags and a simulated
// host. An unknown key or a bad value is refused with its path, before anything is opened. Defaults are here and
// nowhere else.

import { Effect, Schema, SchemaGetter } from "effect"
import { limits } from "../protocol/limits.ts"
import { seconds } from "../protocol/time.ts"
import { UpstreamList } from "./mirror/mirror-config.ts"
import { MirrorName, RegistryName } from "./mirror/mirror-names.ts"
import { isImagePattern } from "./registry/image-pattern.ts"

const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
/** "http://host:port", "http://[::1]:port"; no path, no credentials. */
export const HttpUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/(?:\[[0-9a-fA-F:.]+\]|[^/\s:@[\]?#]+)(?::[0-9]{1,5})?\/?$/)
)
const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** A name or an address; an IPv6 address may stand in brackets, as in a URL. */
const Host = Schema.String.pipe(
  Schema.decode({
    decode: SchemaGetter.transform((text: string) => text.replace(/^\[(.*)\]$/, "$1")),
    encode: SchemaGetter.transform((text: string) => text)
  })
)
const BoundHost = Host.pipe(Schema.withDecodingDefaultKey(Effect.succeed("127.0.0.1")))

const ImagePattern = Schema.String.check(
  Schema.makeFilter(
    (text) =>
      isImagePattern(text) || 'a pattern such as "demo/*" or "library/**:v1*": a repository, perhaps a tag'
  )
)

/** Where a listener binds. Port 0 lets the system choose. */
export const Listen = Schema.Struct({
  host: BoundHost,
  port: Port
})

/** The peer listener: bound like any other; `advertise` is the host that other peers are told, if it differs. */
export const PeerListen = Schema.Struct({
  host: BoundHost,
  port: Port,
  advertise: Schema.optionalKey(Host)
})

/** Piece bytes a second that a host may send and receive, with the burst its token buckets hold. Absent: unlimited. */
export const RateLimits = Schema.Struct({
  egressBytesPerSecond: Schema.optionalKey(PositiveInt),
  ingressBytesPerSecond: Schema.optionalKey(PositiveInt),
  /** May be smaller than a piece: a piece then waits for as many refills as it needs. */
  burstBytes: Schema.optionalKey(PositiveInt)
})

const defaultTo = <const Default extends number>(schema: typeof Schema.Int, value: Default) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/**
 * What a registry lets its clients do; limits.ts says why each default is what it is. A client is an address, of IPv6 its
 * /64.
 */
export const ClientLimits = Schema.Struct({
  /** Requests a second of one client, beyond which it gets 429; 0 is no limit. */
  requestsPerSecond: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })),
    limits.clientRequestsPerSecond
  ),
  /** Requests that a client may send at once after a rest. */
  requestBurst: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
    limits.clientRequestBurst
  ),
  /** Uploads that were begun and not ended, of all clients and of one. */
  uploads: defaultTo(PositiveInt, limits.maxUploadSessions),
  uploadsPerClient: defaultTo(PositiveInt, limits.maxUploadSessionsPerClient),
  /** Bytes a second that all uploads together may bring; they are slowed, not refused. Absent: unlimited. */
  uploadBytesPerSecond: Schema.optionalKey(PositiveInt),
  /** Bytes of a manifest, beyond which it gets 413. */
  manifestBytes: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: limits.largestManifestBytes })),
    limits.maxManifestBytes
  ),
  /** A request's headers must be there within this. */
  headerSeconds: defaultTo(PositiveInt, limits.requestHeadersTimeout / seconds(1)),
  /** A client that keeps a body waiting for this long is cut. */
  bodySeconds: defaultTo(PositiveInt, limits.httpSilence / seconds(1))
})
export type ClientLimits = typeof ClientLimits.Type

/** Those of a registry whose configuration names none. */
export const defaultClientLimits: ClientLimits = Schema.decodeSync(ClientLimits)({})

/** What a registry's listener waits for, of a configuration's limits. */
export const patienceOf = ({ headerSeconds, bodySeconds }: ClientLimits) => ({
  headers: seconds(headerSeconds),
  body: seconds(bodySeconds)
})

export const Log = Schema.Struct({
  level: Schema.Literals(["trace", "debug", "info", "warn", "error", "silent"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("info" as const))
  ),
  /** "auto" is pretty on a terminal and JSON otherwise. */
  format: Schema.Literals(["auto", "json", "pretty"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("auto" as const))
  )
})

/** A failure domain as operators name it: a rack, a row, an availability zone. */
export const ZoneName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/))

const common = {
  /** Folder of everything the role keeps. */
  data: Schema.NonEmptyString,
  log: Log.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
}

const peer = {
  peer: PeerListen,
  rates: RateLimits.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
}

const Fraction = Schema.Number.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))

/** How much of the disk an agent may take, measured on its own files (disk-budget.ts). Absent: as much as there is. */
export const DiskBudgetConfig = Schema.Struct({
  budgetBytes: PositiveInt,
  /** Parts of the budget: above the first, what was used longest ago goes, until there is no more than the second. */
  highWatermark: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.9))),
  lowWatermark: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.8)))
}).check(
  Schema.makeFilter(({ highWatermark, lowWatermark }) =>
    lowWatermark < highWatermark
      ? undefined
      : `lowWatermark ${lowWatermark} must be less than highWatermark ${highWatermark}`
  )
)
export type DiskBudgetConfig = typeof DiskBudgetConfig.Type

/** How clients may name registries to this one, by `ns` (mirror/mirror-scope.ts). */
const naming = {
  /** The upstream registries that are mirrored: a closed list, the same as the build-indexes' and origins'. */
  mirrors: Schema.optionalKey(Schema.Array(MirrorName)),
  /** HOST:PORT under which clients know the cluster itself. */
  ownNames: Schema.optionalKey(Schema.Array(RegistryName))
}

/** Seconds. Every pull of a tag that is older asks its build-index, a question that is answered 304 without a body. */
export const defaultFreshness = 5

export const AgentConfig = Schema.Struct({
  ...common,
  ...peer,
  /** The registry read API, /metrics, /health and /readiness. */
  registry: Listen,
  limits: Schema.optionalKey(ClientLimits),
  trackers: Schema.NonEmptyArray(HttpUrl),
  buildIndexes: Schema.NonEmptyArray(HttpUrl),
  /** Where a client that tries to push here is sent, in words; with `push: forward`, where what it sends is sent. */
  proxy: Schema.optionalKey(HttpUrl),
  /**
   * Seconds within which a tag that moved, or a deletion, is seen here; 0 asks the build-index at every request. Absent:
   * defaultFreshness.
   */
  freshness: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))),
  /** Whether the last known value is served while the build-index is away, Age telling how old it is. Absent: true. */
  serveStale: Schema.optionalKey(Schema.Boolean),
  /** What becomes of a push to this agent. Absent: refuse. */
  push: Schema.optionalKey(Schema.Literals(["refuse", "forward"])),
  /** Makes the agent known to the trackers, so that a proxy can preheat it: how it is reached, and where it stands. */
  register: Schema.optionalKey(
    Schema.Struct({
      url: HttpUrl,
      zone: Schema.optionalKey(ZoneName),
      /** Where proxies are listened to, and nobody else is served. Absent: at `registry`. */
      listen: Schema.optionalKey(Listen)
    })
  ),
  disk: Schema.optionalKey(DiskBudgetConfig),
  ...naming,
  /** One of mirrors: where a name without `ns` is looked up when the cluster has no such repository (docker). */
  defaultUpstream: Schema.optionalKey(RegistryName)
})
export type AgentConfig = typeof AgentConfig.Type

export const OriginConfig = Schema.Struct({
  ...common,
  ...peer,
  http: Listen,
  /** Every origin of the cluster, this one included, as the others reach it: the members of the ring. */
  origins: Schema.NonEmptyArray(HttpUrl),
  /** This origin's own entry in `origins`. */
  self: HttpUrl,
  /** Registries whose blobs are fetched when they are asked for. */
  upstreams: Schema.optionalKey(UpstreamList),
  /** Every build-index of the cluster: what none of them needs can be collected. Absent: nothing is. */
  buildIndexes: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl)),
  collect: Schema.optionalKey(
    Schema.Struct({
      /** Seconds between two collections. Absent: only when asked (POST /collect). */
      every: Schema.optionalKey(PositiveInt),
      /** Seconds that a blob stays which no repository needs, after someone relied on it. */
      grace: Schema.optionalKey(
        Schema.Int.check(Schema.isGreaterThanOrEqualTo(limits.minBlobGrace / seconds(1)))
      )
    })
  )
})
export type OriginConfig = typeof OriginConfig.Type

export const TrackerConfig = Schema.Struct({
  log: common.log,
  http: Listen,
  origins: Schema.NonEmptyArray(HttpUrl)
})
export type TrackerConfig = typeof TrackerConfig.Type

const TagPattern = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._*-]{1,128}$/))

/**
 * What stays of the images that a rule means; without any of the three "keep", every tag stays. A tag is judged by the
 * first rule that means it.
 */
export const RetentionRule = Schema.Struct({
  images: ImagePattern,
  /** The tags that moved last. */
  keepLast: Schema.optionalKey(PositiveInt),
  keepMatching: Schema.optionalKey(Schema.NonEmptyArray(TagPattern)),
  /** Seconds: tags whose manifest somebody asked for within them. */
  keepPulledWithin: Schema.optionalKey(PositiveInt),
  /** Seconds: older manifests go that no tag, manifest or subject keeps. Absent: they stay. */
  untaggedOlderThan: Schema.optionalKey(PositiveInt)
})
export type RetentionRule = typeof RetentionRule.Type

/** What a build-index takes away by itself. */
export const CollectConfig = Schema.Struct({
  /** Seconds between two collections. Absent: only when asked (POST /collect). */
  every: Schema.optionalKey(PositiveInt),
  /** Seconds that a blob stays which no manifest names, after someone relied on it. */
  grace: Schema.optionalKey(PositiveInt),
  retention: Schema.optionalKey(Schema.Array(RetentionRule))
})
export type CollectConfig = typeof CollectConfig.Type

/** Of a build-index, also in a herd. */
const indexRules = {
  /** Tags that, once put, are neither moved nor deleted. */
  immutableTags: Schema.optionalKey(Schema.Array(ImagePattern)),
  collect: Schema.optionalKey(CollectConfig)
}

export const BuildIndexConfig = Schema.Struct({
  ...common,
  http: Listen,
  ...indexRules,
  /** Registries whose tags and manifests are looked up when they are asked for; needs origins. */
  upstreams: Schema.optionalKey(UpstreamList),
  /** Where the manifests of upstreams are kept. */
  origins: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl))
})
export type BuildIndexConfig = typeof BuildIndexConfig.Type

/** Which agents are preheated. */
export const PreheatScope = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("all") }),
  Schema.Struct({ kind: Schema.Literal("zone"), zone: ZoneName }),
  Schema.Struct({ kind: Schema.Literal("count"), count: PositiveInt })
])
export type PreheatScope = typeof PreheatScope.Type

/** Images that are preheated without being asked for, when they are pushed. */
export const PreheatRules = Schema.Struct({
  /** Patterns of "repository" or "repository:tag"; "*" is any text without a slash, "**" any text. */
  onPush: Schema.Array(ImagePattern).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
  /** Where to, for those, and for a request that names no scope. */
  scope: PreheatScope.pipe(Schema.withDecodingDefaultKey(Effect.succeed({ kind: "all" as const })))
})
export type PreheatRules = typeof PreheatRules.Type

export const ProxyConfig = Schema.Struct({
  ...common,
  /** The registry write API, /metrics, /health and /readiness. */
  registry: Listen,
  limits: Schema.optionalKey(ClientLimits),
  origins: Schema.NonEmptyArray(HttpUrl),
  buildIndexes: Schema.NonEmptyArray(HttpUrl),
  /** Who knows the agents that can be preheated. Absent: there is no preheating. */
  trackers: Schema.optionalKey(Schema.NonEmptyArray(HttpUrl)),
  preheat: Schema.optionalKey(PreheatRules),
  ...naming
})
export type ProxyConfig = typeof ProxyConfig.Type

/** All but the agent in one process; each part has its own port, and finds the others on them. */
export const HerdConfig = Schema.Struct({
  ...common,
  ...peer,
  proxy: Listen,
  /** Of the proxy. */
  limits: Schema.optionalKey(ClientLimits),
  origin: Listen,
  tracker: Listen,
  buildIndex: Listen,
  ...indexRules,
  preheat: Schema.optionalKey(PreheatRules),
  /** Registries that the cluster mirrors. */
  upstreams: Schema.optionalKey(UpstreamList),
  ownNames: naming.ownNames
})
export type HerdConfig = typeof HerdConfig.Type
