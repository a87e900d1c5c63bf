// Conditional headers for content named by a digest (RFC 9110, sections 8.8.3 and 13.1). The entity tag is the
// digest, which makes it a strong one. The content has no date, so conditions by date never hold.

import type { Digest } from "../../protocol/wire/digest.ts"

export const entityTag = (digest: Digest): string => `"${digest}"`

const names = (header: string, digest: Digest, weak: boolean): boolean =>
  header.split(",").some((part) => {
    const tag = weak ? part.trim().replace(/^W\//, "") : part.trim()
    // Some clients leave the quotes out.
    return tag === "*" || tag === entityTag(digest) || tag === digest
  })

/** Whether an `If-None-Match` names this content, so the client has it already. The comparison is weak. */
export const matchesEntityTag = (header: string | undefined, digest: Digest): boolean =>
  header !== undefined && names(header, digest, true)

/** Whether an `If-Match` names other content only, so the request must fail. The comparison is strong. */
export const failsIfMatch = (header: string | undefined, digest: Digest): boolean =>
  header !== undefined && !names(header, digest, false)

/**
 * Whether ranges may be served: without `If-Range`, or if it is exactly this tag. A date or a weak tag asks for the
 * whole.
 */
export const allowsRange = (header: string | undefined, digest: Digest): boolean =>
  header === undefined || header.trim() === entityTag(digest)
