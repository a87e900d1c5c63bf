// The schemas of peers, digests and swarms in the JSON between roles. They accept well-formed names, "host:port" of
// bounded length, and known kinds.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { type PeerId, parsePeerId } from "../../protocol/wire/peer-id.ts"
import {
  isRepositoryName,
  isTagName,
  maxRepositoryLength,
  repositoryPattern,
  tagPattern
} from "../oci/repository-path.ts"

/** For documents: how a name is spelled that a function of its own checks. */
const spelled = (pattern: RegExp) => ({ toJsonSchema: () => ({ pattern: pattern.source }) })

export const PeerIdText = Schema.String.pipe(
  Schema.refine((text): text is PeerId => parsePeerId(text) !== undefined, {
    message: "a peer id is 40 lower-case hex digits",
    ...spelled(/^[0-9a-f]{40}$/)
  })
)

export const DigestText = Schema.String.pipe(
  Schema.refine((text): text is Digest => parseDigest(text) !== undefined, {
    message: "a digest is sha256:<64 hex digits> or sha512:<128 hex digits>, lower case",
    ...spelled(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/)
  })
)

export const RepositoryText = Schema.String.check(
  Schema.makeFilter((text) => isRepositoryName(text) || "not a repository name", {
    toJsonSchema: () => ({ pattern: repositoryPattern.source, maxLength: maxRepositoryLength })
  })
)

/** A repository's name as the requester writes it, checked for its length only. */
export const NamespaceText = Schema.String.check(Schema.isBetweenLength(1, maxRepositoryLength))

export const TagText = Schema.String.check(
  Schema.makeFilter((text) => isTagName(text) || "not a tag", spelled(tagPattern))
)

const swarmId = /^[0-9a-f]{64}$/

export const SwarmIdText = Schema.String.pipe(
  Schema.refine((text): text is SwarmId => swarmId.test(text), {
    message: "a swarm id is 64 lower-case hex digits",
    ...spelled(swarmId)
  })
)

export const AddressText = Schema.String.check(
  Schema.isMaxLength(limits.maxAddressBytes),
  Schema.isPattern(/^(?:\[[0-9A-Za-z:.%]+\]|[^:\s/]+):\d{1,5}$/)
)

/** A peer as origins and trackers send it. */
export const PeerAddressJson = Schema.Struct({
  peerId: PeerIdText,
  address: AddressText,
  kind: Schema.Literals(["agent", "origin"])
}).annotate({ identifier: "Peer" })
