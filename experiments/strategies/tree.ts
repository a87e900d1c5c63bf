// The strategy `tree`, a static k-ary tree under each origin: every agent has one parent for all time and at most
// `arity` children, and an origin is the root of its share of the agents. A host sends each piece to each child as soon
// as it has stored it (store and forward of whole pieces, pipelined), two pieces per child under way. A child dials its
// parent and requests a blob. With arity 1 it is a chain: full speed once it is filled, and a start that grows with the
// hosts.
//
// Agent a belongs to root a mod S; in its share it is node i = floor(a / S), whose parent is floor(i / arity) - 1,
// where -1 is the root. The uplinks of all leaves, which are most of the hosts, are idle.

import { countText } from "../engine/option-text.ts"
import { type Image, isOrigin } from "./image.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import { runRival, type Stage } from "./rival-crowd.ts"
import { defineStrategy, parameter } from "./strategy.ts"

const join = 1
const joinBytes = 64
const piecesUnderWay = 2

/** The host from which `agent` gets a blob that has these owners. */
export const parentOf = (agent: number, owners: ReadonlyArray<number>, arity: number): number => {
  const roots = owners.length
  const node = Math.floor(agent / roots)
  const parent = Math.floor(node / arity) - 1
  return parent < 0 ? owners[agent % roots]! : parent * roots + (agent % roots)
}

class TreeNode extends RivalMachine {
  readonly #io: RivalIo
  readonly #stage: Stage
  readonly #arity: number
  /** By blob: the stored pieces in the order in which they came. */
  readonly #here: ReadonlyArray<Array<number>>
  /** By blob: links to children. */
  readonly #children: ReadonlyArray<Array<LinkNumber>>
  /** By link: the blob. */
  readonly #blobs: Array<number> = []
  /** By link: how many of `#here` were sent. */
  readonly #given: Array<number> = []
  /** By link: pieces under way. */
  readonly #underWay: Array<number> = []

  constructor(io: RivalIo, stage: Stage, arity: number) {
    super()
    this.#io = io
    this.#stage = stage
    this.#arity = arity
    const { image, cast } = stage
    this.#here = cast.owners.map((owners, blob) => (owners.includes(io.host) ? piecesOf(image, blob) : []))
    this.#children = cast.owners.map(() => [])
  }

  override started(): void {
    const { cast } = this.#stage
    const { host } = this.#io
    if (isOrigin(cast, host)) return
    for (const [blob, owners] of cast.owners.entries()) {
      this.#blobs[this.#io.dial(parentOf(host, owners, this.#arity))] = blob
    }
  }

  override opened(link: LinkNumber): void {
    this.#io.say(link, join, this.#blobs[link]!, joinBytes)
  }

  override said(link: LinkNumber, _kind: number, blob: number): void {
    this.#blobs[link] = blob
    this.#given[link] = 0
    this.#underWay[link] = 0
    this.#children[blob]!.push(link)
    this.#feed(link, this.#here[blob]!)
  }

  override arrived(_link: LinkNumber, piece: number): void {
    this.#io.store(piece)
  }

  override stored(piece: number): void {
    const blob = this.#stage.image.blobOf[piece]!
    const here = this.#here[blob]!
    here.push(piece)
    for (const link of this.#children[blob]!) this.#feed(link, here)
  }

  override uploaded(link: LinkNumber): void {
    this.#underWay[link]!--
    this.#feed(link, this.#here[this.#blobs[link]!]!)
  }

  #feed(link: LinkNumber, here: ReadonlyArray<number>): void {
    while (this.#underWay[link]! < piecesUnderWay && this.#given[link]! < here.length) {
      this.#underWay[link]!++
      this.#io.upload(link, here[this.#given[link]!++]!)
    }
  }
}

const piecesOf = ({ first }: Image, blob: number): Array<number> =>
  Array.from({ length: first[blob + 1]! - first[blob]! }, (_, piece) => first[blob]! + piece)

export const tree = defineStrategy({
  name: "tree",
  parameters: { arity: parameter(countText(1, 1_000), "2", "Children of a host.") },
  run: (spec, { arity }, progress) =>
    runRival(
      spec,
      {
        strategy: "tree",
        helpers: 0,
        counts: {},
        machines: (stage) => (io) => new TreeNode(io, stage, arity)
      },
      progress
    )
})
