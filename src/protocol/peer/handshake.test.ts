// The rules of the handshake: what a host says, whom it refuses, and which of two connections it keeps.

import { describe, expect, it } from "vitest"
import { openSession } from "../../../testing/protocol/test-session.ts"
import { testPeer } from "../../../testing/protocol/test-values.ts"
import { protocolVersion } from "../wire/message.ts"
import { keptOfTwo, makeHello, refuseHello } from "./handshake.ts"

const self = testPeer(5, "origin")
const hello = makeHello(testPeer(3))

describe("the Hello of a host", () => {
  it("names it", () => {
    expect(makeHello(self)).toEqual({
      tag: "Hello",
      version: protocolVersion,
      ...self,
      credentials: new Uint8Array(0)
    })
  })
})

describe("a peer's Hello", () => {
  it("is welcome from another peer of this version that is not banned", () => {
    expect(refuseHello(self, hello, (peerId) => peerId === testPeer(4).peerId)).toBeUndefined()
  })

  it("is refused for its version first, then when it is this host's own, then for a ban", () => {
    const everyone = () => true
    expect(refuseHello(self, { ...hello, version: 1 }, everyone)).toBe("version")
    expect(refuseHello(self, { ...hello, peerId: self.peerId }, everyone)).toBe("duplicate")
    expect(refuseHello(self, hello, (peerId) => peerId === hello.peerId)).toBe("banned")
  })
})

describe("of two connections with a peer", () => {
  it("the one dialled by the lower peer id is kept, on both ends alike", () => {
    const [low, high] = [testPeer(3).peerId, testPeer(5).peerId]
    for (const [own, peer, keepsDialled] of [
      [low, high, true],
      [high, low, false]
    ] as const) {
      const dialled = openSession(1, 9)
      const accepted = openSession(-1, 9)
      const kept = keepsDialled ? dialled : accepted
      expect(keptOfTwo(own, peer, dialled, accepted)).toBe(kept)
      expect(keptOfTwo(own, peer, accepted, dialled)).toBe(kept)
    }
  })

  it("the newer one is kept when one host dialled both", () => {
    for (const [older, newer] of [
      [1, 2],
      [-1, -2]
    ] as const) {
      const kept = openSession(newer, 9)
      expect(keptOfTwo(testPeer(3).peerId, testPeer(5).peerId, openSession(older, 9), kept)).toBe(kept)
      expect(keptOfTwo(testPeer(5).peerId, testPeer(3).peerId, openSession(older, 9), kept)).toBe(kept)
    }
  })
})
