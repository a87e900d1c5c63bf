// The strategy `kraken`, Uber's Kraken with the policies of its source: a graph that emerges from random hand-outs and
// ten connections per blob; the rarest piece first, equally rare ones in an order that is the same on every host; three
// outstanding requests per peer, which the receiver queues; every new piece announced to every neighbour; a peer
// without room blacklisted for 30 s; announces every 3 s by turns. The cluster has agents, origins with each blob on
// its owners, and trackers chosen by a ring over the blob. Defaults are those of Kraken's configuration. kraken-peer.ts
// has the peers.
//
// It was held against the source at commit 2a7fbcb and against real runs (experiments/kraken-versus-net/) on
// 2026-11-30. What differed, one by one:
//
//   part                 the model until then            Kraken, and the model since
//   header of a piece    goes with the piece             goes before tokens are reserved, at both ends at once
//   random pieces        an even sample                  a reservoir with an off-by-one: with one free request, never
//                                                        the first of several pieces (kraken-choice.ts)
//   bandwidth of origins the same buckets as agents      as shipped none; FlashCrowd has both
//
// What was the same: rarest first with the heap's order of ties, announces that raise the count and served pieces that
// do not, the limits of outstanding requests, endgame from three missing pieces on, connection states, blacklist, idle
// connections, turns of announces, hand-outs, whole pieces that reserve their tokens first come, first served.
//
// What still differs: tokens are bytes, where Kraken's are MiB, rounded down (equal for pieces and rates of whole MiB);
// a request that has timed out counts until the next sweep, and is sent again once, where Kraken stops counting it at
// once and sends it again at every sweep; a sender is never blocked by a reader that waits for tokens, as full buffers
// of a socket block it; idle torrents are never dropped.

import { ringOwners } from "../../src/protocol/kit/hash-ring.ts"
import { seconds } from "../../src/protocol/kit/time.ts"
import { choiceText, countText, durationText } from "../engine/option-text.ts"
import { firstHelper } from "./image.ts"
import { pieceChoice, pieceChoices } from "./kraken-choice.ts"
import { KrakenPeer, type KrakenWorld } from "./kraken-peer.ts"

import { KrakenTracker } from "./kraken-tracker.ts"
import { runRival } from "./rival-crowd.ts"
import { defineStrategy, parameter } from "./strategy.ts"

const mebibyte = 2 ** 20

/** At least 4 s, and 4 s for each MiB of a piece. */
const requestTimeout = (pieceLength: number): number =>
  Math.max(seconds(4), Math.ceil((seconds(4) * pieceLength) / mebibyte))

export const kraken = defineStrategy({
  name: "kraken",
  parameters: {
    connections: parameter(countText(1, 1_000), "10", "Connections of a host per blob."),
    handOut: parameter(countText(1, 1_000), "50", "Peers in a hand-out besides origins."),
    announce: parameter(
      durationText,
      "3s",
      "Time between two announces of an agent, however many blobs it downloads."
    ),
    blacklist: parameter(durationText, "30s", "Time for which a peer that refused or closed is not dialled."),
    pipeline: parameter(countText(1, 250), "3", "Outstanding requests to an agent."),
    originPipeline: parameter(countText(1, 250), "5", "Outstanding requests to an origin."),
    choice: parameter(choiceText(pieceChoices), "rarest-first", "Piece that is requested next."),
    endgame: parameter(
      countText(0, 250),
      "3",
      "Number of missing pieces from which on each may be requested from several peers."
    ),
    idle: parameter(durationText, "30s", "Time without a useful piece after which a connection is closed.")
  },
  // Shorter queues at the uploaders, and another order of pieces on every host.
  tuned: { choice: "random", pipeline: "1", originPipeline: "2" },
  refuse: (spec, { announce, idle }) =>
    spec.trackers === 0
      ? "it needs a tracker"
      : announce === 0 || idle === 0
        ? "announce and idle must be longer than zero"
        : undefined,
  run: (spec, values, progress) => {
    const counts = {
      requests: 0,
      duplicate_pieces: 0,
      requests_timed_out: 0,
      connections: 0,
      handshakes_refused: 0,
      announces: 0
    }
    return runRival(
      spec,
      {
        strategy: "kraken",
        helpers: spec.trackers,
        counts,
        machines: (stage) => {
          const from = firstHelper(stage.cast)
          const trackers = Array.from({ length: spec.trackers }, (_, tracker) => `tracker-${tracker}`)
          const world: KrakenWorld = {
            stage,
            counts,
            rules: {
              connections: values.connections,
              pipeline: values.pipeline,
              originPipeline: values.originPipeline,
              endgame: values.endgame,
              announceInterval: values.announce,
              blacklist: values.blacklist,
              idleTimeout: values.idle
            },
            trackers: spec.blobs.map(
              ({ name }) => from + trackers.indexOf(ringOwners(name, trackers, 1)[0]!)
            ),
            requestTimeouts: spec.blobs.map(({ pieceLength }) => requestTimeout(pieceLength)),
            choice: pieceChoice(values.choice, stage.image.pieces)
          }
          return (io) =>
            io.host >= from ? new KrakenTracker(io, stage, values.handOut, counts) : new KrakenPeer(io, world)
        }
      },
      progress
    )
  }
})
