// Decides the bounds of what is asked of upstream registries (roles/mirror): how much of an answer is read, how long it
// may take, how long it is believed. Part of limits.ts, by which everybody reads them.

import { milliseconds, seconds } from "./kit/time.ts"

const KiB = 1024

export const upstreamLimits = {
  /** Characters of a WWW-Authenticate header that are read; real ones have some hundred. */
  maxChallengeCharacters: 8 * KiB,
  /** Bytes of a token server's answer; a token itself has some thousand. */
  maxTokenBytes: 64 * KiB,
  /** Bytes of a refusal or redirect that are read, for its reason and to use the connection again. */
  maxRefusalBytes: 16 * KiB,
  /** Tokens and ways of authorizing that are remembered, one a repository. */
  maxUpstreamTokens: 1000,
  /** The part of a token's lifetime for which it is used, and the longest time that is believed. */
  tokenUse: 0.8,
  maxTokenLifetime: seconds(3600),
  /** An upstream's or token server's headers must come within this; connecting is part of it. */
  upstreamHeadersTimeout: seconds(5),
  /** One question with its token and redirects. Clients fall back to the upstream itself: better soon. */
  upstreamAnswerTimeout: seconds(8),
  /** Hops of a redirect; registries need one, to their store of blobs. */
  maxUpstreamRedirects: 5,
  /** Times that one blob's transfer is continued where it broke off. */
  maxUpstreamBreaks: 5,
  /** An unreachable or overloaded upstream is left alone this long; with Retry-After up to the second. */
  upstreamPause: seconds(5),
  maxUpstreamPause: seconds(300),
  /** How long a mirrored tag is served before its upstream is asked again, unless it is configured. */
  upstreamFreshness: seconds(60),
  /** A mirrored tag or manifest must be found within this, tokens and the copy to an origin included. */
  upstreamResolveTimeout: seconds(9),
  /** Who asks a build-index for one waits a little longer: it may serve what it has. */
  mirrorAskTimeout: seconds(11),
  /** An upstream's "no such thing" is believed this long. */
  upstreamLacksLifetime: seconds(5),
  /** How long an agent believes that a bare name is, or is not, a repository of the cluster. */
  ownershipLifetime: seconds(5),
  /** Blobs that an origin fetches from upstreams at once, and those that wait for it or are fetched. */
  maxUpstreamFetches: 4,
  maxQueuedUpstreamFetches: 1000,
  /** How long an origin lets someone wait for a blob that is being fetched before it says so. */
  upstreamFetchWait: seconds(10),
  /** The pause before someone who was told so asks again. */
  upstreamFetchPause: milliseconds(500),
  /** How long a pull waits for a blob that is being fetched whole: 20 GB at 6 MB/s. */
  upstreamFetchPatience: seconds(3600),
  /** Tags whose confirmation is remembered, and names that an upstream was just asked for. */
  maxConfirmedTags: 100_000,
  maxUpstreamAnswers: 10_000
} as const
