// Content digest: "sha256:<64 hex>" or "sha512:<128 hex>", lower case (OCI image spec, descriptor, Digests). Invariant:
// a digest has one spelling. This file reads and writes the text of a digest; a service computes it.

import { invariant } from "../kit/invariant.ts"

export type DigestAlgorithm = "sha256" | "sha512"

export type Digest = string & { readonly Digest: unique symbol }

const hexLength: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 }
const hex = /^[0-9a-f]+$/

/** The digest in `text`; undefined when it is malformed or its algorithm is not supported. */
export const parseDigest = (text: string): Digest | undefined => {
  const colon = text.indexOf(":")
  const algorithm = text.slice(0, colon)
  if (algorithm !== "sha256" && algorithm !== "sha512") return undefined
  const encoded = text.slice(colon + 1)
  return encoded.length === hexLength[algorithm] && hex.test(encoded) ? (text as Digest) : undefined
}

export const digestAlgorithm = (digest: Digest): DigestAlgorithm =>
  digest.charCodeAt(3) === 0x32 ? "sha256" : "sha512"

/** The part after the colon. */
export const digestEncoded = (digest: Digest): string => digest.slice(7)

/** The digest for the result of a hash function, which has 32 bytes (sha256) or 64 bytes (sha512). */
export const makeDigest = (algorithm: DigestAlgorithm, bytes: Uint8Array): Digest => {
  invariant(bytes.length * 2 === hexLength[algorithm], "digest: a hash of the wrong length for its algorithm")
  return `${algorithm}:${toHex(bytes)}` as Digest
}

const digits = "0123456789abcdef"

export const toHex = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += digits[byte >> 4]! + digits[byte & 15]!
  return text
}

/** The bytes of a lower-case hex text of even length, which the caller has checked. */
export const fromHex = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length >> 1)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16)
  }
  return bytes
}
