// The JSON between hosts and trackers: a batch of a host's swarms as the request, a hand-out of peers for each as the
// answer. Both ends decode with these schemas and refuse a misfit as a whole.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import {
  AddressText,
  DigestText,
  NamespaceText,
  PeerAddressJson,
  PeerIdText,
  SwarmIdText
} from "../http/wire-schema.ts"
import { askLimits } from "./limits.ts"

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: limits.maxPieces }))

/** A host's announce of one of its swarms. */
export const SwarmAnnounce = Schema.Struct({
  swarm: SwarmIdText,
  digest: DigestText,
  namespace: NamespaceText,
  event: Schema.Literals(["downloading", "complete", "stopped"]),
  /** Neighbours of the host in this swarm. */
  neighbours: Count,
  /** Verified pieces. */
  have: Count
}).annotate({ identifier: "SwarmAnnounce" })
export type SwarmAnnounce = typeof SwarmAnnounce.Type

export const AnnounceBatch = Schema.Struct({
  peer: Schema.Struct({ peerId: PeerIdText, address: AddressText }),
  swarms: Schema.Array(SwarmAnnounce).check(Schema.isMaxLength(askLimits.maxSwarmsPerAnnounce))
}).annotate({ identifier: "AnnounceBatch" })
export type AnnounceBatch = typeof AnnounceBatch.Type

/** A tracker's answer for one swarm. */
export const SwarmHandOut = Schema.Struct({
  swarm: SwarmIdText,
  /** The next announce is due after this time. */
  intervalMs: Schema.Int.check(Schema.isGreaterThan(0)),
  peers: Schema.Array(PeerAddressJson).check(Schema.isMaxLength(limits.maxHandOut))
}).annotate({ identifier: "SwarmHandOut" })
export type SwarmHandOut = typeof SwarmHandOut.Type

export const AnnounceAnswer = Schema.Struct({
  swarms: Schema.Array(SwarmHandOut).check(Schema.isMaxLength(askLimits.maxSwarmsPerAnnounce))
}).annotate({ identifier: "AnnounceAnswer" })
export type AnnounceAnswer = typeof AnnounceAnswer.Type
