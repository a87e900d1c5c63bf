// Decides how a question to an upstream registry can fail. "Lacks" is an answer: no such thing, or not for us, so the
// client may ask the upstream itself. "Away" is none: what is cached may be served in its place.

import { Data } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

/** The upstream says that there is no such thing (404) or that it is not for us (401, 403). */
export class UpstreamLacks extends Data.TaggedError("UpstreamLacks")<{
  /** 404: gone for everyone; denied may change with the credentials. */
  readonly denied: boolean
  readonly message: string
}> {}

/** Unreachable, too slow, 429, 5xx, or an answer that must not be believed. `message` says which. */
export class UpstreamAway extends Data.TaggedError("UpstreamAway")<{
  readonly message: string
  /** For how long the upstream is better left alone, if that is known. */
  readonly pause?: Micros
}> {}

export type UpstreamError = UpstreamLacks | UpstreamAway
