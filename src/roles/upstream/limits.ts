// Limits of the requests to upstream registries: how much of an answer is read, how long it may take, and how long it
// is cached. Each line states the unit and the trade-off; relations between limits are asserted when the module
// loads.

import { Context } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"

const KiB = 1024

export const upstreamLimits = {
  /** Characters of a WWW-Authenticate header. Real ones have a few hundred. */
  maxChallengeCharacters: 8 * KiB,
  /** Bytes of a token server's answer. A token itself has a few thousand. */
  maxTokenBytes: 64 * KiB,
  /** Bytes of a refusal or redirect that are read, for its reason and to reuse the connection. */
  maxRefusalBytes: 16 * KiB,
  /** Tokens and ways of authorizing that are cached, one per repository. */
  maxUpstreamTokens: 1000,
  /** The part of a token's lifetime for which it is used, and the longest lifetime that is accepted. */
  tokenUse: 0.8,
  maxTokenLifetime: seconds(3600),
  /** The headers of an upstream or token server must arrive within this time, which includes connecting. */
  upstreamHeadersTimeout: seconds(5),
  /**
   * Time for one request with its token and redirects. Clients fall back to the upstream itself, so an early failure
   * helps.
   */
  upstreamAnswerTimeout: seconds(8),
  /** Hops of a redirect. Registries need one, to their blob storage. */
  maxUpstreamRedirects: 5,
  /** Number of times that the transfer of one blob is resumed after a break. */
  maxUpstreamBreaks: 5,
  /**
   * An unreachable or overloaded upstream gets no requests for this time; with Retry-After at most for the second
   * one.
   */
  upstreamPause: seconds(5),
  maxUpstreamPause: seconds(300),
  /**
   * An upstream that accepts and refuses the configured credentials in turn, as one may that judges by repository, gets
   * one warning in this time. A change within it is told late or not at all.
   */
  credentialWarningPause: seconds(60),
  /** Time for which a mirrored tag is served before its upstream is asked again, when not configured. */
  upstreamFreshness: seconds(60),
  /** An upstream's "not found" is cached for this time. */
  upstreamLacksLifetime: seconds(5),
  /** Names for which an answer of an upstream is cached, about 200 bytes each. */
  maxUpstreamAnswers: 10_000
}

export type UpstreamLimits = Readonly<typeof upstreamLimits>

/** The limits that a client of upstream registries reads when it is made. Tests provide others. */
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
