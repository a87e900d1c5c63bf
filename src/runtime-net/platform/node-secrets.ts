// Where secrets are on this machine: in files and in the environment of the process. A file is read whole and is small;
// an error says which source and why, and nothing of its content.

import { closeSync, openSync, readSync, statSync } from "node:fs"
import { Effect, Layer, Redacted } from "effect"
import { type SecretReference, Secrets, SecretUnavailable } from "../../roles/services/secrets.ts"

/** Of a file. Passwords and tokens are shorter; a file named by mistake may be endless (/dev/zero). */
const maxSecretBytes = 64 * 1024

const readStart = (path: string): string => {
  // A pipe or a device could hold up the whole process.
  if (!statSync(path).isFile()) throw new Error("it is no regular file")
  const file = openSync(path, "r")
  try {
    const bytes = Buffer.alloc(maxSecretBytes + 1)
    let length = 0
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null)
      length += read
      if (length > maxSecretBytes) throw new Error(`it has more than ${maxSecretBytes} bytes`)
      if (read === 0) return bytes.toString("utf8", 0, length)
    }
  } finally {
    closeSync(file)
  }
}

const read = (source: SecretReference): string => {
  const text =
    source.tag === "File" ? readStart(source.path).replace(/\r?\n$/, "") : process.env[source.variable]
  if (text === undefined) throw new Error("it is not set")
  if (text === "") throw new Error("it is empty")
  return text
}

const nameOf = (source: SecretReference): string =>
  source.tag === "File" ? source.path : `the environment variable ${source.variable}`

/** The system's own messages name the path again. */
const whyUnreadable = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === "ENOENT") return "there is no such file"
  return code === "EACCES" ? "it may not be read" : message
}

export const readSecret: Secrets["read"] = (source) =>
  Effect.try({
    try: () => Redacted.make(read(source)),
    catch: (error) =>
      new SecretUnavailable({
        message: `cannot read a secret from ${nameOf(source)}: ${whyUnreadable(error)}`
      })
  })

export const nodeSecrets: Layer.Layer<never> = Layer.succeed(Secrets, { read: readSecret })
