// Name of the client that changes a tag, for the tag's history: its address and its user agent.

import { Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { RegistryLimits } from "./limits.ts"

/** For example "203.0.113.7 skopeo/1.9.3"; printable and of limited length. */
export const changedBy = (
  request: HttpServerRequest.HttpServerRequest,
  { maxChangedByLength }: RegistryLimits
): string => {
  const address = Option.getOrElse(request.remoteAddress, () => "unknown")
  const agent = (request.headers["user-agent"] ?? "").replace(/[^\x20-\x7e]/g, "?")
  return `${address} ${agent}`.trim().slice(0, maxChangedByLength)
}
