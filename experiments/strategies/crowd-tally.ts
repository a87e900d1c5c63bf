// Record of a rival's flash crowd: who stored what and when, who sent it, and when each agent was done. It only counts;
// machines cannot see it, so a rival cannot claim more than it did. A blob is complete one commit after its last piece
// was stored.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { CrowdSample } from "../flash-crowd/flash-crowd.ts"
import { type Cast, type Image, isOrigin } from "./image.ts"

/** The most samples that are kept: enough for a chart. When there are more, every second one is dropped. */
const maxSamples = 401

export class CrowdTally {
  readonly completions: Array<Micros>
  readonly blobCompletions: Array<Array<Micros>>
  readonly samples: Array<CrowdSample> = []
  storedBytes = 0
  pieceTransfers = 0
  bytesFromOrigins = 0
  bytesFromAgents = 0
  sentByOrigins = 0
  allOutside = { at: 0, sentByOrigins: 0 }
  /** Number of agents that do not have the image yet. */
  missing: number
  /** Called when an agent has all blobs, with the time that it took. */
  agentDone: (agent: number, at: Micros) => void = () => {}
  /** Present time between two samples. */
  sampleEvery: Micros
  readonly #image: Image
  readonly #cast: Cast
  /** By agent and piece. */
  readonly #stored: Uint8Array
  readonly #outside: Uint8Array
  #inside: number
  /** By agent and blob. */
  readonly #piecesLeft: Int32Array
  readonly #blobsLeft: Uint16Array

  constructor(image: Image, cast: Cast, sampleEvery: Micros) {
    const { agents } = cast
    this.#image = image
    this.#cast = cast
    this.sampleEvery = sampleEvery
    this.completions = new Array<Micros>(agents).fill(0)
    this.blobCompletions = Array.from({ length: image.blobs }, () => new Array<Micros>(agents).fill(0))
    this.missing = agents
    this.#stored = new Uint8Array(agents * image.pieces)
    this.#outside = new Uint8Array(image.pieces)
    this.#inside = image.pieces
    this.#blobsLeft = new Uint16Array(agents).fill(image.blobs)
    this.#piecesLeft = new Int32Array(agents * image.blobs)
    for (let index = 0; index < this.#piecesLeft.length; index++) {
      const blob = index % image.blobs
      this.#piecesLeft[index] = image.first[blob + 1]! - image.first[blob]!
    }
  }

  /** A host has sent a piece. */
  sent(from: number, piece: number): void {
    if (isOrigin(this.#cast, from)) this.sentByOrigins += this.#image.sizes[piece]!
  }

  received(from: number, piece: number): void {
    const bytes = this.#image.sizes[piece]!
    if (isOrigin(this.#cast, from)) this.bytesFromOrigins += bytes
    else this.bytesFromAgents += bytes
  }

  /** An agent stored a piece. Returns whether its blob is complete now. */
  stored(agent: number, piece: number, at: Micros): boolean {
    const { pieces, sizes, blobOf, blobs } = this.#image
    const cell = agent * pieces + piece
    invariant(agent < this.#cast.agents && this.#stored[cell] === 0, "a rival stored a piece twice")
    this.#stored[cell] = 1
    this.storedBytes += sizes[piece]!
    this.pieceTransfers++
    if (this.#outside[piece] === 0) {
      this.#outside[piece] = 1
      if (--this.#inside === 0) this.allOutside = { at, sentByOrigins: this.sentByOrigins }
    }
    return --this.#piecesLeft[agent * blobs + blobOf[piece]!]! === 0
  }

  /** An agent has a complete blob. Returns whether all agents have all blobs now. */
  completed(agent: number, blob: number, at: Micros): boolean {
    this.blobCompletions[blob]![agent] = at
    if (--this.#blobsLeft[agent]! > 0) return false
    this.completions[agent] = at
    this.agentDone(agent, at)
    return --this.missing === 0
  }

  sample(at: Micros): void {
    const { samples, storedBytes, bytesFromOrigins, sentByOrigins } = this
    samples.push({ at, storedBytes, fromOrigins: bytesFromOrigins, sentByOrigins })
    if (samples.length < maxSamples) return
    for (let index = 2; index < maxSamples; index += 2) samples[index / 2] = samples[index]!
    samples.length = (maxSamples + 1) / 2
    this.sampleEvery *= 2
  }
}
