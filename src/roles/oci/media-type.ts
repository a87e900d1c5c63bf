// Syntax of media types: type and subtype of RFC 6838, section 4.2. Clients write them into manifests and registries
// send them in headers, so no other text may pass.

const name = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"

/** A media type without parameters, at most 255 characters. */
export const mediaTypePattern = new RegExp(`^${name}/${name}$`)

export const isMediaType = (text: string): boolean => mediaTypePattern.test(text)
