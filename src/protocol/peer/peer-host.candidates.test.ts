// Candidates of a swarm, through the peer machine, by single steps.

import { describe, expect, it } from "vitest"
import { testPeer } from "../../../testing/protocol/test-values.ts"
import { bitsOf, hello, pieces, Stage, swarm } from "../../../testing/protocol/test-world.ts"
import { Bitfield } from "../kit/bitfield.ts"

describe("peer host, finding neighbours", () => {
  it("replaces a neighbour that leaves by the next candidate", () => {
    const stage = new Stage("agent", { targetNeighbours: 1 })
    stage.open(new Bitfield(pieces))
    stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(1)] })
    stage.step({ tag: "Connected", connection: 1 })
    stage.receive(1, hello(1))
    stage.receive(1, { tag: "Open", channel: 5, swarm, have: bitsOf(0).toBytes() })
    // The swarm has enough neighbours, so the second peer is kept as a candidate.
    expect(stage.step({ tag: "PeersOffered", swarm, peers: [testPeer(2)] })).toEqual([])
    expect(stage.step({ tag: "Disconnected", connection: 1, reason: "reset" })).toEqual([
      { tag: "Dial", connection: 2, address: "host-2:1" }
    ])
  })

  it("remembers no more candidates than it may", () => {
    const stage = new Stage("agent", { targetNeighbours: 1, maxNeighbours: 1, maxCandidates: 3 })
    stage.open(new Bitfield(pieces))
    const dialled = new Set<string>()
    let outputs = stage.step({
      tag: "PeersOffered",
      swarm,
      peers: [1, 2, 3, 4, 5].map((peer) => testPeer(peer))
    })
    for (let attempt = 1; attempt <= 12; attempt++) {
      const dial =
        outputs.find((output) => output.tag === "Dial") ?? stage.wake().find(({ tag }) => tag === "Dial")
      expect(dial).toMatchObject({ connection: attempt })
      if (dial?.tag === "Dial") dialled.add(dial.address)
      outputs = stage.step({ tag: "DialFailed", connection: attempt, reason: "refused" })
    }
    expect([...dialled]).toEqual(["host-1:1", "host-2:1", "host-3:1"])
  })
})
