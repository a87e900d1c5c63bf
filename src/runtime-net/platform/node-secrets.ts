// Where secrets are on this machine: in files and in the environment of the process. A file is read whole and is small.
// An error says why a source cannot be read, but neither its content nor its name, because a name may be a password
// that was taken for one ("@hunter2").

import { closeSync, openSync, readSync, statSync } from "node:fs"
import { Effect, Layer, Redacted } from "effect"
import { type SecretReference, Secrets, SecretUnavailable } from "../../roles/services/secrets.ts"
import { PlatformLimits } from "./limits.ts"

const readStart = (path: string, maxSecretBytes: number): string => {
  // A pipe or a device could hold up the whole process.
  if (!statSync(path).isFile()) throw new Error("is no regular file")
  const file = openSync(path, "r")
  try {
    const bytes = Buffer.alloc(maxSecretBytes + 1)
    let length = 0
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null)
      length += read
      if (length > maxSecretBytes) throw new Error(`has more than ${maxSecretBytes} bytes`)
      if (read === 0) return bytes.toString("utf8", 0, length)
    }
  } finally {
    closeSync(file)
  }
}

const read = (source: SecretReference, { maxSecretBytes }: PlatformLimits): string => {
  const text =
    source.tag === "File"
      ? readStart(source.path, maxSecretBytes).replace(/\r?\n$/, "")
      : process.env[source.variable]
  if (text === undefined) throw new Error("is not set")
  if (text === "") throw new Error("is empty")
  return text
}

const kindOf = (source: SecretReference): string => (source.tag === "File" ? "file" : "environment variable")

/** The system's own messages hold the path, so only their codes are shown. */
const whyUnreadable = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) return message
  return `${code === "ENOENT" ? "does not exist" : "cannot be read"} (${code})`
}

export const readSecret: Secrets["read"] = (source) =>
  Effect.flatMap(PlatformLimits, (limits) =>
    Effect.try({
      try: () => Redacted.make(read(source, limits)),
      catch: (error) =>
        new SecretUnavailable({
          message: `the ${kindOf(source)} that it names ${whyUnreadable(error)}`
        })
    })
  )

export const nodeSecrets: Layer.Layer<never> = Layer.succeed(Secrets, { read: readSecret })
