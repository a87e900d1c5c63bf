// Conditional headers (RFC 9110, sections 8.8.3 and 13.1) for content whose state has a name: a digest, or the version
// of a record. The entity tag is that name, which makes it a strong one; a name has no quotes, commas or spaces. The
// content has no date, so conditions by date never hold.

export const entityTag = (name: string): string => `"${name}"`

const names = (header: string, name: string, weak: boolean): boolean =>
  header.split(",").some((part) => {
    const tag = weak ? part.trim().replace(/^W\//, "") : part.trim()
    // Some clients leave the quotes out.
    return tag === "*" || tag === entityTag(name) || tag === name
  })

/** Whether an `If-None-Match` names this content, so the client has it already. The comparison is weak. */
export const matchesEntityTag = (header: string | undefined, name: string): boolean =>
  header !== undefined && names(header, name, true)

/** Whether an `If-Match` names other content only, so the request must fail. The comparison is strong. */
export const failsIfMatch = (header: string | undefined, name: string): boolean =>
  header !== undefined && !names(header, name, false)

/**
 * Whether ranges may be served: without `If-Range`, or if it is exactly this tag. A date or a weak tag asks for the
 * whole.
 */
export const allowsRange = (header: string | undefined, name: string): boolean =>
  header === undefined || header.trim() === entityTag(name)
