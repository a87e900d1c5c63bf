// The content of generated files: incompressible bytes that depend on a name only, so that a test pushes the same
// image wherever it runs.

import { createCipheriv, createHash } from "node:crypto"

/** `length` bytes that look random and depend on `seed` only. */
export const deterministicBytes = (seed: string, length: number): Buffer => {
  const key = createHash("sha256").update(seed).digest()
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** The bare hash. */
export const hashOf = (algorithm: "sha256" | "sha512", bytes: Uint8Array): Buffer =>
  createHash(algorithm).update(bytes).digest()

/** The digest in the form of registries. */
export const digestOf = (algorithm: "sha256" | "sha512", bytes: Uint8Array): string =>
  `${algorithm}:${hashOf(algorithm, bytes).toString("hex")}`

export const sha256 = (bytes: Uint8Array): string => digestOf("sha256", bytes)
