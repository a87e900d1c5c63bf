// The bodies of bad requests: bytes, JSON of any kind, and documents that are near enough to manifests and to the
// messages of roles to be accepted, with something hidden in their texts.

import fc from "fast-check"
import { mediaTypes } from "../../src/roles/oci/manifest.ts"
import { contentType, hostileText, index } from "./hostile-text.ts"

export type HostileBody =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** In parts. `breaks` ends the body with an error after the last one. */
  | { readonly kind: "stream"; readonly pieces: ReadonlyArray<Uint8Array>; readonly breaks: boolean }

/** The good value, most of the time. */
const mostly = (
  good: fc.Arbitrary<unknown>,
  bad: fc.Arbitrary<unknown> = fc.jsonValue()
): fc.Arbitrary<unknown> => fc.oneof({ weight: 12, arbitrary: good }, bad)

const descriptor = (digests: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.record(
    {
      mediaType: fc.oneof(
        contentType,
        fc.string(),
        fc.constantFrom("a\r\nb: c", "\u0000", "ä", "x".repeat(300)),
        fc.jsonValue()
      ),
      digest: digests,
      size: fc.oneof(fc.integer(), fc.double(), fc.jsonValue()),
      urls: fc.jsonValue(),
      annotations: fc.jsonValue()
    },
    { requiredKeys: [] }
  )

/** A document that may pass for a manifest, of content that `known` names. */
const manifest = (known: ReadonlyArray<string>): fc.Arbitrary<unknown> => {
  const digests = fc.oneof(fc.constantFrom(...known), hostileText, fc.jsonValue())
  const one = descriptor(digests)
  return fc.record(
    {
      schemaVersion: fc.oneof({ weight: 5, arbitrary: fc.constant(2) }, fc.jsonValue()),
      mediaType: fc.oneof(
        fc.constantFrom(...Object.values(mediaTypes)),
        fc.constantFrom("a\r\nx: y", "\u0000", "ä/\u{1f41f}", " ", "x".repeat(300), "text/html"),
        fc.string(),
        fc.jsonValue()
      ),
      config: one,
      layers: fc.oneof(fc.array(one, { maxLength: 3 }), fc.jsonValue()),
      manifests: fc.oneof(fc.array(one, { maxLength: 3 }), fc.jsonValue()),
      subject: one,
      artifactType: fc.oneof(fc.string(), fc.jsonValue()),
      annotations: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue())
    },
    { requiredKeys: [] }
  )
}

/** A manifest that is accepted, except when the hidden texts prevent it. */
export const likelyManifest = (known: ReadonlyArray<string>): fc.Arbitrary<unknown> => {
  const texts = fc.oneof(
    fc.constantFrom(
      "a\r\nx: y",
      "\u0000",
      "\u00e4/\u{1f41f}",
      " ",
      "",
      "text/html",
      "application/vnd.x+json",
      "a/b;c=d"
    ),
    fc.string({ unit: "binary", maxLength: 20 })
  )
  const one = fc.record(
    { digest: fc.constantFrom(...known), size: fc.nat({ max: 5000 }), mediaType: texts },
    { requiredKeys: ["digest", "size"] }
  )
  return fc.record(
    {
      schemaVersion: fc.constant(2),
      mediaType: texts,
      layers: fc.array(one, { maxLength: 2 }),
      subject: one,
      artifactType: texts,
      annotations: fc.dictionary(texts, texts, { maxKeys: 3 })
    },
    { requiredKeys: ["schemaVersion", "layers"] }
  )
}

/** Messages between roles and orders of people, by the last part of their path, sometimes with an error. */
const roleDocuments = (known: ReadonlyArray<string>) => {
  const digests = mostly(fc.constantFrom(...known), fc.oneof(hostileText, fc.jsonValue()))
  const text = fc.oneof(hostileText, fc.string({ unit: "binary" }), fc.jsonValue())
  const repository = mostly(fc.constantFrom("demo/app", "demo/other"), text)
  const tag = mostly(fc.constantFrom("1", "new"), text)
  const count = mostly(fc.nat({ max: 5 }), fc.oneof(fc.integer(), fc.double(), fc.jsonValue()))
  const image = mostly(
    fc.constantFrom("demo/app:1", "demo/other:new", "http://[::1]:1/v2/demo/app/manifests/1"),
    text
  )
  const address = mostly(fc.constantFrom("host:1", "[::1]:65535", "10.0.0.1:0"), text)
  return {
    announce: fc.record({
      peer: fc.record({ peerId: mostly(fc.constantFrom("0".repeat(40), "1".repeat(40)), text), address }),
      swarms: fc.array(
        fc.record({
          swarm: mostly(fc.constantFrom("0".repeat(64), "1".repeat(64)), text),
          digest: digests,
          namespace: repository,
          event: mostly(fc.constantFrom("downloading", "complete", "stopped"), text),
          neighbours: count,
          have: count
        }),
        { maxLength: 3 }
      )
    }),
    agents: fc.record({ url: mostly(fc.constantFrom("http://agent:1", "http://[::1]:1"), text) }),
    references: fc.record({ digests: fc.array(digests, { maxLength: 5 }) }),
    manifests: fc.record({
      by: mostly(fc.constant("someone"), text),
      operation: mostly(fc.constantFrom("a", "b"), text),
      record: fc.record({
        digest: digests,
        mediaType: mostly(fc.constant(mediaTypes.ociManifest), contentType),
        size: count,
        names: fc.array(digests, { maxLength: 3 }),
        annotations: mostly(fc.dictionary(fc.string(), fc.string()))
      }),
      tags: fc.array(tag, { maxLength: 3 })
    }),
    blobs: fc.record({ size: count }),
    preheat: fc.oneof(
      fc.record(
        {
          image,
          platforms: mostly(fc.constant(["linux/amd64"])),
          scope: mostly(
            fc.constantFrom({ kind: "all" }, { kind: "zone", zone: "a" }, { kind: "some", count: 1 })
          )
        },
        { requiredKeys: ["image"] }
      ),
      fc.record(
        { type: mostly(fc.constant("image")), url: image, image, tag, digest: digests },
        { requiredKeys: ["type"] }
      ),
      fc.record({
        type: mostly(fc.constant("preheat")),
        args: fc.record({ type: mostly(fc.constant("image")), url: image })
      })
    ),
    notifications: fc.record({
      events: fc.array(
        fc.record({
          action: mostly(fc.constantFrom("push", "pull"), text),
          target: fc.record(
            {
              repository,
              tag,
              digest: digests,
              mediatype: mostly(fc.constant(mediaTypes.ociManifest), text)
            },
            { requiredKeys: ["repository"] }
          )
        }),
        { maxLength: 3 }
      )
    })
  } as const
}

export type RoleDocument = keyof ReturnType<typeof roleDocuments>

export const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value) ?? "")

/** A document of one kind, as a body. */
export const roleDocument = (kind: RoleDocument, known: ReadonlyArray<string>): fc.Arbitrary<HostileBody> =>
  roleDocuments(known)[kind].map((document) => ({ kind: "bytes", bytes: encode(document) }) as const)

const content = (
  known: ReadonlyArray<string>,
  contents: ReadonlyArray<Uint8Array>
): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    { weight: 3, arbitrary: fc.constantFrom(...contents) },
    fc.constant(new Uint8Array(0)),
    fc.constant(new Uint8Array(70_000)),
    fc.jsonValue().map(encode),
    fc
      .constantFrom("[", "{", "null", '"', "[".repeat(5000), '{"a":'.repeat(2000), "\ufeff{}")
      .map((text) => new TextEncoder().encode(text)),
    { weight: 3, arbitrary: manifest(known).map(encode) }
  )

const cut = (bytes: Uint8Array, at: number): ReadonlyArray<Uint8Array> => {
  const middle = bytes.byteLength === 0 ? 0 : at % bytes.byteLength
  return [bytes.slice(0, middle), bytes.slice(middle)]
}

export const anyBody = (
  known: ReadonlyArray<string>,
  contents: ReadonlyArray<Uint8Array>
): fc.Arbitrary<HostileBody> =>
  fc.oneof(
    fc.constant({ kind: "none" } as const),
    content(known, contents).map((bytes) => ({ kind: "bytes", bytes }) as const),
    fc
      .tuple(content(known, contents), index, fc.boolean())
      .map(([bytes, at, breaks]) => ({ kind: "stream", pieces: cut(bytes, at), breaks }) as const)
  )
