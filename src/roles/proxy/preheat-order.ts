// Parses a preheat request in each of its forms into one kind of order:
//
//   plain        {"image": "demo/app:1", "platforms": ["linux/amd64"], "scope": {"kind": "zone", "zone": "a"}}
//   Harbor's     {"type": "image", "url": ".../v2/demo/app/manifests/1", "image", "tag", "digest", "scope"}, its
//                provider API up to 2.11, for Dragonfly
//   Dragonfly's  {"type": "preheat", "args": {"type": "image", "url", "scope", "platform"}}, the jobs of its open API,
//                which Harbor sends since
//
// Invariants: an order is well formed; a URL is read for the name in its path and never requested; headers and
// credentials of a form are neither stored nor used. The parser does not know what exists.

import { Cause, Exit, Schema } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import {
  isRepositoryName,
  isTagName,
  type ManifestReference,
  parseClientDigest,
  parseRegistryPath
} from "../oci/repository-path.ts"
import type { MirrorNames } from "../upstream/mirror-names.ts"
import type { PreheatScope } from "./config.ts"
import { DragonflyJob, type DragonflyScope, HarborImage, PreheatRequest } from "./preheat-forms.ts"

export interface PreheatImage {
  readonly repository: string
  readonly reference: ManifestReference
}

/** The agents that are asked. "none" asks no agent, because the image is at the origins anyway. */
export type OrderScope = PreheatScope | { readonly kind: "none" }

export interface PreheatOrder extends PreheatImage {
  /** "os/architecture" or "os/architecture/variant"; an empty list means all. */
  readonly platforms: ReadonlyArray<string>
  /** When undefined, the configuration decides. */
  readonly scope: OrderScope | undefined
}

const decodePlain = Schema.decodeUnknownExit(PreheatRequest, { onExcessProperty: "error" })
const decodeHarborImage = Schema.decodeUnknownExit(HarborImage)
const decodeDragonflyJob = Schema.decodeUnknownExit(DragonflyJob)

const refused = (message: string): OciError => ociError("UNSUPPORTED", { status: 400, message })

/** The reason why a value does not fit a schema, on one line. */
export const misfit = (exit: Exit.Failure<unknown, unknown>): string => {
  const error = Cause.squash(exit.cause)
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 500)
}

const malformed = (exit: Exit.Failure<unknown, unknown>): OciError =>
  refused(`not a request to preheat: ${misfit(exit)}`)

const isError = (value: PreheatImage | OciError): value is OciError => value instanceof OciError

/**
 * "demo/app:1", "demo/app@sha256:...", or "demo/app", which means its tag latest. A registry's host may precede it if
 * `prefixOf` knows the host; then it is an image of that upstream.
 */
export const parseImage = (
  text: string,
  prefixOf: MirrorNames["prefixOf"] = () => undefined
): PreheatImage | OciError => {
  const slash = text.indexOf("/")
  const prefix = slash === -1 ? undefined : prefixOf(text.slice(0, slash))
  return parseOwnImage(prefix === undefined ? text : prefix + text.slice(slash))
}

const parseOwnImage = (text: string): PreheatImage | OciError => {
  const at = text.indexOf("@")
  const named = at === -1 ? text : text.slice(0, at)
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1)
  const repository = colon === -1 ? named : named.slice(0, colon)
  const tag = colon === -1 ? "latest" : named.slice(colon + 1)
  if (!isRepositoryName(repository) || !isTagName(tag)) {
    return ociError("NAME_INVALID", {
      message:
        `"${text.slice(0, 300)}" is not an image of the cluster: ` +
        "REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST, without a registry's host unless it is mirrored"
    })
  }
  return at === -1
    ? { repository, reference: { tag: "Tag", name: tag } }
    : byDigest(repository, text.slice(at + 1))
}

export const formatImage = ({ repository, reference }: PreheatImage): string =>
  reference.tag === "Tag" ? `${repository}:${reference.name}` : `${repository}@${reference.digest}`

const byDigest = (repository: string, text: string): PreheatImage | OciError => {
  const digest = parseClientDigest(text)
  return typeof digest === "string"
    ? { repository, reference: { tag: "Digest", digest: digest as Digest } }
    : digest
}

/** The image of a manifest's URL. Its host and query are ignored. */
export const imageOfUrl = (url: string): PreheatImage | OciError => {
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(\/[^?#]*)/i.exec(url)?.[1]
  const endpoint = path === undefined ? undefined : parseRegistryPath(path)
  if (endpoint !== undefined && !(endpoint instanceof OciError) && endpoint.tag === "Manifest") {
    return { repository: endpoint.repository, reference: endpoint.reference }
  }
  return refused(`"${url.slice(0, 300)}" is not the URL of a manifest: http(s)://HOST/v2/NAME/manifests/TAG`)
}

const scopeOf = (scope: typeof DragonflyScope.Type | undefined): OrderScope | undefined => {
  switch (scope) {
    case undefined:
    case "":
      return undefined
    case "all_peers":
      return { kind: "all" }
    case "single_peer":
      return { kind: "count", count: 1 }
    case "single_seed_peer":
    case "all_seed_peers":
      return { kind: "none" }
  }
}

/** Reads the plain form, or Harbor's when the type says so. */
export const parsePreheat = (json: unknown, prefixOf?: MirrorNames["prefixOf"]): PreheatOrder | OciError => {
  if (typeof json === "object" && json !== null && "type" in json) return parseHarborImage(json)
  const exit = decodePlain(json)
  if (Exit.isFailure(exit)) return malformed(exit)
  const { image: text, platforms = [], scope } = exit.value
  const image = parseImage(text, prefixOf)
  return isError(image) ? image : { ...image, platforms, scope }
}

const parseHarborImage = (json: unknown): PreheatOrder | OciError => {
  const exit = decodeHarborImage(json)
  if (Exit.isFailure(exit)) return malformed(exit)
  const { url = "", image: name = "", tag = "", digest = "", scope } = exit.value
  const image =
    name === ""
      ? imageOfUrl(url)
      : parseImage(name + (tag === "" ? "" : `:${tag}`) + (digest && `@${digest}`))
  return isError(image) ? image : { ...image, platforms: [], scope: scopeOf(scope) }
}

export const parseDragonflyJob = (json: unknown): PreheatOrder | OciError => {
  const exit = decodeDragonflyJob(json)
  if (Exit.isFailure(exit)) return malformed(exit)
  const { url, platform = "", scope } = exit.value.args
  const image = imageOfUrl(url)
  return isError(image)
    ? image
    : { ...image, platforms: platform === "" ? [] : [platform], scope: scopeOf(scope) }
}
