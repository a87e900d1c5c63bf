// The strategy `client-server`, with which every peer-to-peer one is compared: a plain registry with as many replicas
// as the cluster has copies. Origins send every byte. An agent opens one stream per blob, to one of the owners of the
// blob by turns. An origin serves a limited number of streams at the same time; the others wait in the order in which
// they came. A stream is piece after piece, two of them under way.
//
//   agent:  dial -> Get blob -> pieces ... -> done          origin:  waiting -> served -> done

import { countText } from "../engine/option-text.ts"
import { type Image, isOrigin } from "./image.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import { runRival, type Stage } from "./rival-crowd.ts"
import { defineStrategy, parameter } from "./strategy.ts"

const getBlob = 1

/** Bytes of a request with its headers. */
const requestBytes = 300

/** Pieces of a stream that are read or sent at the same time: the next is read while one is sent. */
const piecesUnderWay = 2

class Client extends RivalMachine {
  readonly #io: RivalIo
  readonly #stage: Stage
  /** The blob, by link. */
  readonly #blobs: Array<number> = []

  constructor(io: RivalIo, stage: Stage) {
    super()
    this.#io = io
    this.#stage = stage
  }

  override started(): void {
    for (const [blob, owners] of this.#stage.cast.owners.entries()) {
      this.#blobs[this.#io.dial(owners[this.#io.host % owners.length]!)] = blob
    }
  }

  override opened(link: LinkNumber): void {
    this.#io.say(link, getBlob, this.#blobs[link]!, requestBytes)
  }

  override arrived(_link: LinkNumber, piece: number): void {
    this.#io.store(piece)
  }
}

class Server extends RivalMachine {
  readonly #io: RivalIo
  readonly #image: Image
  /** Number of further streams that may be served. */
  #free: number
  readonly #waiting: Array<readonly [link: LinkNumber, blob: number]> = []
  #firstWaiting = 0
  /** By link: the next piece to send. */
  readonly #next: Array<number> = []
  /** By link: pieces whose sending has not ended. */
  readonly #left: Array<number> = []

  constructor(io: RivalIo, image: Image, streams: number) {
    super()
    this.#io = io
    this.#image = image
    this.#free = streams
  }

  override said(link: LinkNumber, _kind: number, blob: number): void {
    this.#waiting.push([link, blob])
    this.#serveNext()
  }

  override uploaded(link: LinkNumber, piece: number): void {
    if (--this.#left[link]! > 0) {
      this.#sendNext(link, this.#image.blobOf[piece]!)
      return
    }
    this.#free++
    this.#serveNext()
  }

  #serveNext(): void {
    if (this.#free === 0 || this.#firstWaiting === this.#waiting.length) return
    const [link, blob] = this.#waiting[this.#firstWaiting++]!
    const { first } = this.#image
    this.#free--
    this.#next[link] = first[blob]!
    this.#left[link] = first[blob + 1]! - first[blob]!
    for (let piece = 0; piece < piecesUnderWay; piece++) this.#sendNext(link, blob)
  }

  #sendNext(link: LinkNumber, blob: number): void {
    if (this.#next[link]! < this.#image.first[blob + 1]!) this.#io.upload(link, this.#next[link]!++)
  }
}

export const clientServer = defineStrategy({
  name: "client-server",
  parameters: {
    streams: parameter(
      countText(1, 100_000),
      "100",
      "Streams that an origin serves at the same time; the others wait."
    )
  },
  run: (spec, { streams }, progress) =>
    runRival(
      spec,
      {
        strategy: "client-server",
        helpers: 0,
        counts: {},
        machines: (stage) => (io) =>
          isOrigin(stage.cast, io.host) ? new Server(io, stage.image, streams) : new Client(io, stage)
      },
      progress
    )
})
