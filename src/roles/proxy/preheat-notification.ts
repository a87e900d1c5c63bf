// Reads the pushed images of a notification: the envelope of the distribution project's registry
// (application/vnd.docker.distribution.events.v2+json), and the same with capitalised names, as Harbor sends it to
// Kraken. Events of other actions, of blobs, and without a tag have no effect, because a multi-arch image is its tag.
//
// Invariant: an envelope is accepted or refused as a whole; an event without effect is counted.

import { Exit, Schema } from "effect"
import { OciError, ociError } from "../oci/oci-error.ts"
import { isRepositoryName, isTagName, parseClientDigest } from "../oci/repository-path.ts"
import type { ProxyLimits } from "./limits.ts"
import { misfit, type PreheatImage } from "./preheat-order.ts"

/** An image that was pushed under a tag. */
export interface PushedTag extends PreheatImage {
  readonly tag: string
}

export interface Notification {
  readonly pushed: ReadonlyArray<PushedTag>
  /** Number of events without effect. */
  readonly ignored: number
}

const maybe = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const Event = Schema.Struct({
  action: Schema.String,
  target: maybe(
    Schema.Struct({
      mediatype: maybe(Schema.String),
      digest: maybe(Schema.String),
      repository: maybe(Schema.String),
      tag: maybe(Schema.String)
    })
  )
})

const Envelope = Schema.Struct({ events: Schema.Array(Event) })

const decodeEnvelope = Schema.decodeUnknownExit(Envelope)

/** An object with its keys in lower case, because the names come in both forms. */
const lowerKeys = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key.toLowerCase(), each]))
    : value

const withTarget = (event: unknown): unknown => {
  const lowered = lowerKeys(event)
  return typeof lowered === "object" && lowered !== null && "target" in lowered
    ? { ...lowered, target: lowerKeys(lowered.target) }
    : lowered
}

const isManifestType = (mediaType: string): boolean =>
  /\.(?:manifest|index)\b/.test(mediaType) && !/\.manifest\.v1\b.*prettyjws/.test(mediaType)

const pushedBy = ({ action, target }: typeof Event.Type): PushedTag | undefined => {
  if (action !== "push" || target == null) return undefined
  const { mediatype, digest: text, repository, tag } = target
  if (repository == null || tag == null || !isRepositoryName(repository) || !isTagName(tag)) return undefined
  if (mediatype != null && mediatype !== "" && !isManifestType(mediatype)) return undefined
  if (text == null || text === "") return { repository, tag, reference: { tag: "Tag", name: tag } }
  const digest = parseClientDigest(text)
  return digest instanceof OciError ? undefined : { repository, tag, reference: { tag: "Digest", digest } }
}

const refused = (reason: string): OciError =>
  ociError("UNSUPPORTED", { status: 400, message: `not a notification: ${reason}` })

export const parseNotification = (
  json: unknown,
  { maxNotificationEvents }: Pick<ProxyLimits, "maxNotificationEvents">
): Notification | OciError => {
  const lowered = lowerKeys(json)
  const listed =
    typeof lowered === "object" && lowered !== null && "events" in lowered && Array.isArray(lowered.events)
      ? lowered.events
      : undefined
  if (listed !== undefined && listed.length > maxNotificationEvents) {
    return refused(`it has ${listed.length} events, more than ${maxNotificationEvents}`)
  }
  const exit = decodeEnvelope(listed === undefined ? lowered : { events: listed.map(withTarget) })
  if (Exit.isFailure(exit)) return refused(misfit(exit))
  const { events } = exit.value
  const pushed = events.map(pushedBy).filter((push) => push !== undefined)
  return { pushed, ignored: events.length - pushed.length }
}
