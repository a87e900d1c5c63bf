// Figures on where the time and the bytes of a flash crowd go: from the first piece to the last, the digest after it,
// the use of the links in between, the senders of the bytes, and requests in vain.

import { pieceCount } from "../../src/protocol/wire/metainfo.ts"
import { countingSlots } from "../flash-crowd/bounds.ts"
import { sourcesOf } from "../flash-crowd/crowd-bound.ts"
import type { ShoalOutcome } from "../flash-crowd/crowd-watch.ts"
import type { CrowdSample, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { linkUseFigures } from "../flash-crowd/link-use.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import type { Figure } from "../report/result.ts"

const figure = (value: number, unit: string, meaning: string): Figure => ({ value, unit, meaning })

const time = (micros: number, meaning: string): Figure => figure(micros / 1e6, "s", meaning)

/** When this many bytes had arrived, in microseconds, interpolated between two samples. */
const arrivedAt = (samples: ReadonlyArray<CrowdSample>, bytes: number): number => {
  const after = samples.findIndex((sample) => sample.storedBytes >= bytes)
  const right = samples[after]
  const left = samples[after - 1]
  if (right === undefined || left === undefined) return samples[0]?.at ?? 0
  const part = (bytes - left.storedBytes) / (right.storedBytes - left.storedBytes)
  return left.at + part * (right.at - left.at)
}

/** Share of the capacity of all downlinks in use while the second to the fourth fifth of the bytes arrived. */
const linkUse = ({ samples }: ShoalOutcome, { agents, links }: FlashCrowd): number => {
  const bytes = samples.at(-1)?.storedBytes ?? 0
  const span = (arrivedAt(samples, 0.8 * bytes) - arrivedAt(samples, 0.2 * bytes)) / 1e6
  return span === 0 ? 1 : (0.6 * bytes) / (span * agents * links.rate)
}

/** Named figures of a flash crowd that wants one blob, in the order in which a reader wants them. */
export const figuresOf = (outcome: ShoalOutcome, spec: FlashCrowd): Readonly<Record<string, Figure>> => {
  const { agents, origins } = outcome
  const [blob] = spec.blobs
  const { length: bytes, pieceLength } = blob
  const firsts = ascending(outcome.firstPieces)
  const lasts = ascending(outcome.lastPieces)
  const afterwards = ascending(outcome.completions.map((at, agent) => at - (outcome.lastPieces[agent] ?? 0)))
  const payload = agents.bytesSent + origins.bytesSent
  const received = agents.bytesReceivedFromOrigins + agents.bytesReceivedFromAgents
  return {
    bound_slots: figure(
      countingSlots(spec.agents, sourcesOf(spec), pieceCount(blob)),
      "slots",
      "The counting bound in slots; a slot is one piece at link rate."
    ),
    piece_length: figure(pieceLength, "B", "Bytes of a piece, except the last one."),
    first_piece: time(
      quantile(firsts, 1),
      "Until the first agent had its first piece: metainfo, announce, dial, request."
    ),
    first_piece_p50: time(quantile(firsts, 500), "Until half of the agents had their first piece."),
    first_piece_max: time(quantile(firsts, 1000), "Until every agent had its first piece."),
    all_pieces_outside: time(
      outcome.allOutside.at,
      "Until every piece was stored by at least one agent: no agent can be done before."
    ),
    origin_copies_until_outside: figure(
      outcome.allOutside.sentByOrigins / bytes,
      "copies",
      "Copies of the blob that origins had sent by then; 1 is the least."
    ),
    link_use: figure(
      linkUse(outcome, spec),
      "",
      "Share of the downlinks in use between one fifth and four fifths of the bytes."
    ),
    ...linkUseFigures(outcome.linkUse),
    origin_uplink_carried: figure(
      outcome.originLinkUse.uplink.carried.p50,
      "",
      "Bytes that the uplink of the median origin carried until the last agent was done, over what it could have carried."
    ),
    last_piece_p50: time(quantile(lasts, 500), "Until half of the agents had stored their last piece."),
    last_piece_max: time(quantile(lasts, 1000), "Until every agent had stored its last piece."),
    after_last_piece_p50: time(
      quantile(afterwards, 500),
      "From an agent's last piece until it was done, median: the rest of the whole digest, and the commit."
    ),
    after_last_piece_max: time(quantile(afterwards, 1000), "The same for the agent that waited longest."),
    origin_copies: figure(
      origins.bytesSent / bytes,
      "copies",
      "Copies of the blob that origins sent in all."
    ),
    bytes_from_origins: figure(
      agents.bytesReceivedFromOrigins,
      "B",
      "Piece bytes that agents received from origins."
    ),
    bytes_from_agents: figure(
      agents.bytesReceivedFromAgents,
      "B",
      "Piece bytes that agents received from each other."
    ),
    share_from_agents: figure(
      agents.bytesReceivedFromAgents / received,
      "",
      "Share of the received piece bytes that came from agents."
    ),
    piece_transfers: figure(agents.piecesStored, "", "Pieces that agents verified and stored."),
    duplicate_pieces: figure(
      agents.piecesDuplicate,
      "",
      "Pieces that came twice: endgame, and requests that timed out too early."
    ),
    requests_timed_out: figure(
      agents.requestsTimedOut,
      "",
      "Requests that agents gave up after their timeout."
    ),
    rejects_per_piece: figure(
      agents.rejectsReceived / agents.piecesStored,
      "",
      "Requests refused by a busy uploader, for each piece stored."
    ),
    overhead: figure(
      outcome.bytesSent / payload - 1,
      "",
      "Bytes sent besides the payloads of pieces (messages, frames, HTTP), as a share of the payloads."
    )
  }
}
