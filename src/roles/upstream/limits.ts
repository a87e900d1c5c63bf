// Limits of what is asked of upstream registries: how much of an answer is read, how long it may take, how long it is
// believed. Each line states the unit and the trade-off; relations between limits are asserted when the module loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"

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
  /** The part of a token's lifetime for which it is used, and the longest lifetime that is believed. */
  tokenUse: 0.8,
  maxTokenLifetime: seconds(3600),
  /** An upstream's or token server's headers must come within this; connecting is part of it. */
  upstreamHeadersTimeout: seconds(5),
  /** One question with its token and redirects. Clients fall back to the upstream itself, so an early failure helps. */
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
  /** An upstream's "no such thing" is believed this long. */
  upstreamLacksLifetime: seconds(5),
  /** Names for which an answer of an upstream is remembered, about 200 bytes each. */
  maxUpstreamAnswers: 10_000
}

export type UpstreamLimits = Readonly<typeof upstreamLimits>

/** What a client of upstream registries reads when it is made: these limits, unless a test sets others. */
export const UpstreamLimits: Context.Reference<UpstreamLimits> = Context.Reference(
  "shoal/roles/upstream/UpstreamLimits",
  {
    defaultValue: () => upstreamLimits
  }
)

invariant(
  upstreamLimits.upstreamHeadersTimeout <= upstreamLimits.upstreamAnswerTimeout,
  "limits: one step of a question to an upstream may take longer than the question"
)
invariant(upstreamLimits.upstreamPause <= upstreamLimits.maxUpstreamPause, "limits: upstream pause")
