// The failures of a request to an upstream registry. UpstreamLacks is an answer: there is no such thing, or access is
// denied, so the client may ask the upstream itself. UpstreamAway is no answer: cached data may be served in its
// place.

import { Data } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

/** The upstream says that it does not have it (404) or denies access (401, 403). */
export class UpstreamLacks extends Data.TaggedError("UpstreamLacks")<{
  /** False for 404, which holds for everyone. A denial may change with the credentials. */
  readonly denied: boolean
  readonly message: string
}> {}

/**
 * The upstream is unreachable, too slow, answers 429 or 5xx, or gives an answer that cannot be trusted. `message`
 * says which.
 */
export class UpstreamAway extends Data.TaggedError("UpstreamAway")<{
  readonly message: string
  /** Time for which the upstream should get no requests, if known. */
  readonly pause?: Micros
}> {}

export type UpstreamError = UpstreamLacks | UpstreamAway
