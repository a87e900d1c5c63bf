// Decides the content of generated files: bytes that do not compress and depend on a name only, so that a test pushes
// the same image wherever it runs.

import { createCipheriv, createHash } from "node:crypto"

/** `length` bytes that look random and depend on `seed` only. */
export const deterministicBytes = (seed: string, length: number): Buffer => {
  const key = createHash("sha256").update(seed).digest()
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** The digest in the form that registries use. */
export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`
