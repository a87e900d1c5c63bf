// Decides what conditional headers say of content that a digest names (RFC 9110, sections 8.8.3 and 13.1): its entity
// tag is the digest, as strong as one can be, and it has no date, so conditions by date never hold.

import type { Digest } from "../../protocol/wire/digest.ts"

export const entityTag = (digest: Digest): string => `"${digest}"`

const names = (header: string, digest: Digest, weak: boolean): boolean =>
  header.split(",").some((part) => {
    const tag = weak ? part.trim().replace(/^W\//, "") : part.trim()
    // A client that forgot the quotes means the digest all the same.
    return tag === "*" || tag === entityTag(digest) || tag === digest
  })

/** Whether an `If-None-Match` names this content: then the client has it. Compared weakly. */
export const matchesEntityTag = (header: string | undefined, digest: Digest): boolean =>
  header !== undefined && names(header, digest, true)

/** Whether an `If-Match` forbids an answer: it is there and does not name this content. Compared strongly. */
export const failsIfMatch = (header: string | undefined, digest: Digest): boolean =>
  header !== undefined && !names(header, digest, false)

/** Whether an `If-Range` lets the range be served: absent, or exactly this tag; a date or a weak tag asks for the whole. */
export const allowsRange = (header: string | undefined, digest: Digest): boolean =>
  header === undefined || header.trim() === entityTag(digest)
