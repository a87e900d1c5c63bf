// Finds the contents that an agent must have for an image: the manifests that its name leads to, through indexes, and
// the configs and layers that they name, each content once. Only the requested platforms of an index are followed.
//
// A child that is no manifest is content like a layer (old build caches are such indexes). A child that the
// repository does not have is skipped, because indexes may be sparse. Foreign layers are not fetched.
//
// Invariant: at most maxPreheatContents contents and maxPreheatDepth nested indexes; no layer is read.

import { Data, Effect } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { AskLimits } from "../client/limits.ts"
import type { PreheatContent } from "../client/preheat-wire.ts"
import { isManifestRefused, mediaTypes, parseManifest } from "../oci/manifest.ts"
import type { ImageSource, ImageSourceError, ResolvedManifest } from "../registry/image-source.ts"
import type { ProxyLimits } from "./limits.ts"
import type { PreheatImage } from "./preheat-order.ts"

/** The image cannot be preheated: it is too large, or its manifest cannot be read. */
export class ImageNotPreheated extends Data.TaggedError("ImageNotPreheated")<{ readonly message: string }> {}

export interface ImageContents {
  /** The digest that the name resolved to. */
  readonly digest: Digest
  readonly contents: ReadonlyArray<PreheatContent>
}

const manifestTypes = new Set<string>(Object.values(mediaTypes))
const isIndex = (mediaType: string): boolean =>
  mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList

/**
 * Whether the platform of a descriptor is among the requested ones. A variant must match only when the request names
 * one.
 */
export const isAskedFor = (platform: unknown, asked: ReadonlyArray<string>): boolean => {
  if (asked.length === 0) return true
  if (typeof platform !== "object" || platform === null) return true
  const { os, architecture, variant } = platform as Record<string, unknown>
  return asked.some((one) => {
    const [wantedOs, wantedArchitecture, wantedVariant] = one.split("/")
    return (
      os === wantedOs &&
      architecture === wantedArchitecture &&
      (wantedVariant === undefined || variant === wantedVariant)
    )
  })
}

/** The digests of an index's children that no requested platform names. */
const unasked = (bytes: Uint8Array, platforms: ReadonlyArray<string>): ReadonlySet<string> => {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly manifests?: ReadonlyArray<{ readonly digest: string; readonly platform?: unknown }> | null
  }
  const children = document.manifests ?? []
  const asked = new Set(
    children.filter(({ platform }) => isAskedFor(platform, platforms)).map(({ digest }) => digest)
  )
  return new Set(children.map(({ digest }) => digest).filter((digest) => !asked.has(digest)))
}

export const imageContents = (
  source: Pick<ImageSource, "resolve" | "manifest">,
  { repository, reference }: PreheatImage,
  platforms: ReadonlyArray<string>,
  { maxPreheatContents, maxPreheatDepth }: ProxyLimits & AskLimits
): Effect.Effect<ImageContents, ImageSourceError | ImageNotPreheated> =>
  Effect.gen(function* () {
    const found = new Map<Digest, number>()

    const add = (digest: Digest, size: number) =>
      Effect.suspend(() => {
        found.set(digest, size)
        return found.size <= maxPreheatContents
          ? Effect.void
          : new ImageNotPreheated({
              message: `the image has more than ${maxPreheatContents} contents: ask for fewer platforms`
            })
      })

    const follow = (
      manifest: ResolvedManifest,
      depth: number
    ): Effect.Effect<void, ImageSourceError | ImageNotPreheated> =>
      Effect.gen(function* () {
        if (found.has(manifest.digest)) return
        yield* add(manifest.digest, manifest.size)
        const bytes = yield* source.manifest(repository, manifest)
        const content = parseManifest(bytes, manifest.mediaType)
        if (isManifestRefused(content)) {
          return yield* new ImageNotPreheated({ message: `${manifest.digest}: ${content.reason}` })
        }
        const leftOut = isIndex(content.mediaType) ? unasked(bytes, platforms) : new Set<string>()
        for (const { kind, digest, size, mediaType } of content.names) {
          if (leftOut.has(digest)) continue
          if (kind !== "manifest" || !manifestTypes.has(mediaType)) {
            yield* add(digest, size)
            continue
          }
          if (depth >= maxPreheatDepth) {
            return yield* new ImageNotPreheated({
              message: `${digest} is more than ${maxPreheatDepth} indexes deep`
            })
          }
          const child = yield* Effect.catchTag(
            source.resolve(repository, { tag: "Digest", digest }),
            "ImageUnknown",
            () => Effect.undefined
          )
          if (child !== undefined) yield* follow(child, depth + 1)
        }
      })

    const root = yield* source.resolve(repository, reference)
    yield* follow(root, 0)
    return { digest: root.digest, contents: [...found].map(([digest, size]) => ({ digest, size })) }
  })
