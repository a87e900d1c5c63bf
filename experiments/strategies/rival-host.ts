// A simulated host for the machine of a rival: its messages are frames of the same network as those of the shipped
// roles, its pieces are read, hashed and written by the same disk, and links or token buckets keep its rate. A piece
// has a header of `pieceHeader` bytes, which is a frame of its own where there are buckets (paced-frames.ts says why);
// the sender gives the size of other messages.
//
// Invariant: a machine receives no event of a connection after `closed`.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { TokenBucket } from "../../src/protocol/kit/token-bucket.ts"
import type { SimDisk } from "../../src/runtime-sim/disk/sim-disk.ts"
import type { Machine } from "../../src/runtime-sim/host/host.ts"
import type { EventTarget } from "../../src/runtime-sim/kernel/event-queue.ts"
import type { Kernel } from "../../src/runtime-sim/kernel/kernel.ts"
import { mixNumbers } from "../../src/runtime-sim/kernel/trace.ts"
import {
  type ConnectionEnd,
  type ConnectionSink,
  frameFlags,
  type NetworkHost
} from "../../src/runtime-sim/network/connection.ts"
import type { Connections } from "../../src/runtime-sim/network/connections.ts"
import type { CrowdTally } from "./crowd-tally.ts"
import type { Image } from "./image.ts"
import { type FrameBody, PacedFrames } from "./paced-frames.ts"
import type { LinkNumber, RivalIo, RivalMachine } from "./rival.ts"

const kinds = {
  read: 96,
  stored: 97,
  committed: 98,
  timer: 99,
  egress: 100,
  ingress: 101,
  start: 102
} as const

/** Bytes of a piece's frame besides the piece. */
const pieceHeader = 48

const port = 4001

/** Frames of two numbers: kind x 2^25 + argument; kind 0 is a piece, and the last kind the header of one. */
const argumentBits = 25
const argumentMask = (1 << argumentBits) - 1
const headerKind = 31

/** The part that all hosts of a flash crowd share. */
export interface RivalWorld {
  readonly kernel: Kernel
  readonly connections: Connections
  readonly image: Image
  readonly tally: CrowdTally
  /** Names in the network by number of the host. */
  readonly names: ReadonlyArray<string>
  /** Whether token buckets keep the rates, instead of the links. */
  readonly hasBuckets: boolean
  /** Called when every agent has the image. */
  readonly done: () => void
}

export interface Buckets {
  readonly rate: number
  readonly burst: number
}

export class RivalHost implements RivalIo, EventTarget {
  readonly host: number
  readonly random: RandomSource
  readonly world: RivalWorld
  machine!: RivalMachine
  readonly egress: TokenBucket | undefined
  readonly ingress: TokenBucket | undefined
  readonly place: NetworkHost
  readonly #disk: SimDisk
  readonly #links: Array<Link | undefined> = []
  #startedAt: Micros = 0

  constructor(world: RivalWorld, host: number, place: Machine, buckets: Buckets | undefined) {
    this.world = world
    this.host = host
    this.place = place.host
    this.#disk = place.disk
    this.random = world.kernel.stream(`rival/${host}`)
    this.egress = bucketOf(buckets, world.kernel)
    this.ingress = bucketOf(buckets, world.kernel)
    world.connections.listen(place.host, port, (end) => this.#accept(end))
  }

  get now(): Micros {
    return this.world.kernel.now
  }

  /** Starts the machine at that time. */
  startAt(at: Micros): void {
    this.#startedAt = at
    this.world.kernel.schedule(at, this, kinds.start, this.place.index, undefined)
  }

  dial(host: number): LinkNumber {
    const { connections, names } = this.world
    const link = this.#newLink(host, false)
    link.end = connections.dial(this.place, names[host]!, port, link)
    return link.number
  }

  close(link: LinkNumber): void {
    this.#links[link]?.close()
  }

  say(link: LinkNumber, kind: number, argument: number, bytes: number): void {
    this.#links[link]?.sendMessage((kind << argumentBits) | argument, bytes)
  }

  tell(link: LinkNumber, body: object, bytes: number): void {
    this.#links[link]?.sendMessage(body, bytes)
  }

  upload(link: LinkNumber, piece: number): void {
    const to = this.#links[link]
    if (to === undefined) return
    const { kernel, image } = this.world
    const read = this.#disk.readDone(image.sizes[piece]!)
    if (read > kernel.now) kernel.schedule(read, this, kinds.read, this.place.index, to, piece)
    else this.#sendPiece(to, piece)
  }

  store(piece: number): void {
    const { kernel, image } = this.world
    const written = this.#disk.verifiedAndWritten(image.sizes[piece]!)
    kernel.schedule(written, this, kinds.stored, this.place.index, undefined, piece)
  }

  wakeAt(at: Micros, timer: number): void {
    this.world.kernel.schedule(at, this, kinds.timer, this.place.index, undefined, timer)
  }

  fire(kind: number, subject: unknown, detail: number): void {
    if (kind === kinds.read) this.#sendPiece(subject as Link, detail)
    else if (kind === kinds.stored) this.#stored(detail)
    else if (kind === kinds.timer) this.machine.woken(detail)
    else if (kind === kinds.start) this.machine.started()
    else this.#committed(detail)
  }

  forget(link: Link): void {
    this.#links[link.number] = undefined
    this.machine.closed(link.number)
  }

  /** A frame has passed link and bucket. */
  deliver(link: Link, body: FrameBody): void {
    if (link.ended) return
    if (typeof body !== "number") {
      this.machine.told(link.number, body)
      return
    }
    const kind = body >> argumentBits
    if (kind !== 0) {
      this.machine.said(link.number, kind, body & argumentMask)
      return
    }
    this.world.tally.received(link.peer, body)
    this.machine.arrived(link.number, body)
  }

  #sendPiece(link: Link, piece: number): void {
    link.sendPiece(piece, this.world.image.sizes[piece]!)
  }

  #stored(piece: number): void {
    const { kernel, tally, image } = this.world
    if (tally.stored(this.host, piece, kernel.now)) {
      const at = kernel.now + this.#disk.options.commitDelay
      kernel.schedule(at, this, kinds.committed, this.place.index, undefined, image.blobOf[piece]!)
    }
    this.machine.stored(piece)
  }

  #committed(blob: number): void {
    const { tally, kernel, done } = this.world
    if (tally.completed(this.host, blob, kernel.now - this.#startedAt)) done()
  }

  #accept(end: ConnectionEnd): ConnectionSink {
    // Hosts join the network in the order of their numbers, and the network counts from 1.
    const link = this.#newLink(end.peer.hostIndex - 1, true)
    link.end = end
    return link
  }

  #newLink(peer: number, isAccepted: boolean): Link {
    const link = new Link(this, this.#links.length, peer, isAccepted)
    this.#links.push(link)
    return link
  }
}

class Link implements ConnectionSink {
  readonly number: LinkNumber
  readonly peer: number
  end!: ConnectionEnd
  ended = false
  readonly #host: RivalHost
  readonly #isAccepted: boolean
  readonly #egress: PacedFrames | undefined
  readonly #ingress: PacedFrames | undefined

  constructor(host: RivalHost, number: LinkNumber, peer: number, isAccepted: boolean) {
    this.#host = host
    this.number = number
    this.peer = peer
    this.#isAccepted = isAccepted
    const { egress, ingress, place, world } = host
    if (egress !== undefined && ingress !== undefined) {
      const { kernel } = world
      this.#egress = new PacedFrames(
        kernel,
        egress,
        kinds.egress,
        place.index,
        (body, bytes) => this.#transmit(body, bytes),
        (body) => this.#transmit(headerOf(body as number), pieceHeader)
      )
      this.#ingress = new PacedFrames(kernel, ingress, kinds.ingress, place.index, (body) => {
        if (!isHeader(body)) host.deliver(this, body)
      })
    }
  }

  sendMessage(body: FrameBody, bytes: number): void {
    if (this.#egress === undefined) this.#transmit(body, bytes)
    else this.#egress.add(body, bytes, 0)
  }

  sendPiece(piece: number, bytes: number): void {
    if (this.#egress !== undefined) this.#egress.add(piece, bytes, bytes)
    else if (this.#host.world.hasBuckets) {
      this.#transmit(headerOf(piece), pieceHeader)
      this.#transmit(piece, bytes)
    } else this.#transmit(piece, bytes + pieceHeader)
  }

  close(): void {
    const { connections } = this.#host.world
    if (this.end.state === "connecting") connections.reset(this.end, "")
    else connections.close(this.end, "")
  }

  opened(): void {
    const { machine } = this.#host
    if (this.#isAccepted) machine.accepted(this.number, this.peer)
    else machine.opened(this.number)
  }

  refused(): void {
    this.closed()
  }

  received(payload: unknown, size: number): void {
    const body = payload as FrameBody
    if (this.#ingress !== undefined) this.#ingress.add(body, size, this.#tokensOf(body))
    else if (!isHeader(body)) this.#host.deliver(this, body)
  }

  /** The header stands for its piece, which comes behind it and waits for nothing else. */
  #tokensOf(body: FrameBody): number {
    return isHeader(body) ? this.#host.world.image.sizes[body & argumentMask]! : 0
  }

  sent(payload: unknown): void {
    const piece = payload as number
    const host = this.#host
    host.world.tally.sent(host.host, piece)
    if (!this.ended) host.machine.uploaded(this.number, piece)
  }

  closed(): void {
    if (this.ended) return
    this.ended = true
    this.#egress?.clear()
    this.#ingress?.clear()
    this.#host.forget(this)
  }

  #transmit(body: FrameBody, bytes: number): void {
    const mark = typeof body === "number" ? mixNumbers(body, 0, 0) : 1
    const flags = isPiece(body) ? frameFlags.reportSent : 0
    this.#host.world.connections.send(this.end, body, bytes, mark, flags)
  }
}

const isPiece = (body: FrameBody): boolean => typeof body === "number" && body >> argumentBits === 0

const headerOf = (piece: number): number => (headerKind << argumentBits) | piece

const isHeader = (body: FrameBody): body is number =>
  typeof body === "number" && body >> argumentBits === headerKind

const bucketOf = (buckets: Buckets | undefined, kernel: Kernel): TokenBucket | undefined =>
  buckets && new TokenBucket({ bytesPerSecond: buckets.rate, burstBytes: buckets.burst }, kernel.now)
