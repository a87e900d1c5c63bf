// A neighbour that leaves and comes back again and again is served in its turn, and nobody is starved by such ones.

import { expect, it } from "vitest"
import { namedSwarm, testNeighbour } from "../../../testing/protocol/test-context.ts"
import { setUpUploader } from "../../../testing/protocol/test-uploader.ts"
import { testSwarm } from "../../../testing/protocol/test-values.ts"
import type { Neighbour } from "./neighbour.ts"
import { ServedPeers } from "./served-peers.ts"

/**
 * One place, and six peers that always wait for a piece. All but the first leave whenever one was sent to them, and
 * come back at once. Returns how many of `sends` pieces went to each.
 */
const served = (sends: number): ReadonlyArray<number> => {
  const { uploader, swarms, context, loaded, sent } = setUpUploader({ maxUploadsInFlight: 1 })
  const counts = Array.from({ length: 7 }, () => 0)
  const now: Neighbour[] = counts.map((_, connection) => testNeighbour(connection))
  let piece = 0
  const request = (connection: number) => uploader.enqueue(swarms[0], now[connection]!, piece++, 1000)
  for (const connection of [1, 2, 3, 4, 5, 6]) request(connection)
  for (let send = 0; send < sends; send++) {
    const load = context.take().find(({ tag }) => tag === "LoadPiece")
    if (load?.tag !== "LoadPiece") throw new Error("nothing is loaded")
    loaded(load.piece)
    const out = context.take().find(({ tag }) => tag === "Send")
    if (out?.tag !== "Send") throw new Error("nothing is sent")
    const { connection } = out
    counts[connection]!++
    // The next request is there before the place is free.
    if (connection !== 1) {
      uploader.channelClosed(now[connection]!, false)
      now[connection] = testNeighbour(connection)
    }
    request(connection)
    sent(connection, load.piece)
  }
  return counts.slice(1)
}

it("serves a neighbour that stays as often as those that leave and come back", () => {
  expect(served(60)).toEqual([10, 10, 10, 10, 10, 10])
})

/** Its turn when it comes back to the swarm of this number. */
const turnOf = (peers: ServedPeers, connection: number, swarm = 1): number => {
  const back = neighbourIn(connection, swarm)
  peers.requests(back)
  return back.servedAt
}

const neighbourIn = (connection: number, swarm = 1): Neighbour =>
  testNeighbour(connection, undefined, { swarm: namedSwarm(8, testSwarm(swarm)) })

it("remembers maxServedRemembered peers that have left, each for its swarm", () => {
  const peers = new ServedPeers(2)
  const left = (connection: number, turn: number) =>
    peers.left(Object.assign(neighbourIn(connection), { servedAt: turn }))
  left(1, 7)
  left(2, 8)
  expect([turnOf(peers, 1), turnOf(peers, 2), turnOf(peers, 1, 2)]).toEqual([7, 8, 0])
  left(3, 9)
  expect([turnOf(peers, 1), turnOf(peers, 2), turnOf(peers, 3)]).toEqual([0, 8, 9])
})

it("leaves a neighbour that was served since it came where it is, and remembers none that never was", () => {
  const peers = new ServedPeers(2)
  const stays = Object.assign(neighbourIn(1), { servedAt: 3 })
  peers.left(stays)
  stays.servedAt = 5
  peers.requests(stays)
  expect(stays.servedAt).toBe(5)
  peers.left(neighbourIn(2))
  peers.left(neighbourIn(4))
  expect(turnOf(peers, 1)).toBe(3)
})
