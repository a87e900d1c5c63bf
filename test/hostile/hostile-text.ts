// The texts of hostile requests: near misses of names, digests and numbers, and the names of existing content.

import fc from "fast-check"
import { mediaTypes } from "../../src/roles/oci/manifest.ts"

/** Names that requests may use, by index. A run fills them before and while it plays. */
export interface Named {
  readonly repositories: ReadonlyArray<string>
  /**
   * Repositories that only a build-index knows, because it trusts what proxies say of a manifest and these say false
   * things.
   */
  readonly internal: ReadonlyArray<string>
  readonly tags: ReadonlyArray<string>
  readonly digests: ReadonlyArray<string>
  /** Names of started uploads. */
  readonly uploads: ReadonlyArray<string>
}

/** Text, or the name of something, by kind and index. */
export type Part = string | { readonly name: keyof Named; readonly index: number }

/** The target of the request line. */
export const targetOf = (parts: ReadonlyArray<Part>, named: Named): string =>
  parts
    .map((part) => {
      if (typeof part === "string") return part
      const names = named[part.name]
      return names.length === 0 ? "none" : names[part.index % names.length]!
    })
    .join("")

export const index = fc.nat({ max: 1000 })
export const nameOf = (name: keyof Named): fc.Arbitrary<Part> => index.map((at) => ({ name, index: at }))

/** The characters of a request line: no blank, no control character. Node refuses the others. */
const lineText = fc
  .string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 40
  })
  .filter((text) => !text.includes("#"))

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  lineText,
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => encodeURIComponent(text)),
  fc.constantFrom(
    "",
    ".",
    "..",
    "...",
    "%",
    "%2",
    "%zz",
    "%00",
    "%2F",
    "%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e",
    "%c0%af",
    "%ff",
    "%F0%9F%90%9F",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "_catalog",
    "_shoal",
    "blobs",
    "manifests",
    "uploads",
    "tags",
    "list",
    "referrers",
    "UPPER",
    "-",
    "a--b__c.d",
    "a".repeat(256),
    `${"a/".repeat(127)}a`,
    "a/".repeat(500),
    "x".repeat(9000),
    "sha256:",
    "sha256:0",
    `sha512:${"0".repeat(64)}`,
    `md5:${"0".repeat(32)}`,
    `sha256:${"g".repeat(64)}`,
    `sha256:${"A".repeat(64)}`,
    `SHA256:${"a".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    `sha256%3A${"a".repeat(64)}`,
    `sha256:${"0".repeat(64)}`,
    `sha512:${"0".repeat(128)}`
  )
)

export const repository = fc.oneof({ weight: 4, arbitrary: nameOf("repositories") }, hostileText)
export const internal = fc.oneof({ weight: 6, arbitrary: nameOf("internal") }, hostileText)
export const digest = fc.oneof({ weight: 4, arbitrary: nameOf("digests") }, hostileText)
export const tag = fc.oneof({ weight: 3, arbitrary: nameOf("tags") }, hostileText)
export const upload = fc.oneof({ weight: 5, arbitrary: nameOf("uploads") }, hostileText)
export const reference = fc.oneof(tag, digest)
export const path = (
  ...parts: ReadonlyArray<string | fc.Arbitrary<Part>>
): fc.Arbitrary<ReadonlyArray<Part>> =>
  fc.tuple(...parts.map((part) => (typeof part === "string" ? fc.constant<Part>(part) : part)))

export const number = fc.oneof(
  fc.integer({ min: -5, max: 6000 }).map(String),
  fc.constantFrom(
    "-1",
    "0",
    "00",
    "1e9",
    "1.5",
    "0x10",
    "NaN",
    "Infinity",
    "9007199254740993",
    "99999999999999999999",
    " 1",
    ""
  )
)

/** The characters of a header that Node accepts: no control character except the tab, nothing beyond Latin-1. */
export const headerText = fc
  .string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
    maxLength: 60
  })
  .map((text) => text.replace(/[\x7f-\x9f]/g, "").trim())

export const contentType = fc.oneof(
  fc.constantFrom(
    ...Object.values(mediaTypes),
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/json",
    "application/octet-stream",
    "text/plain; charset=utf-8",
    ";",
    ""
  ),
  headerText
)
