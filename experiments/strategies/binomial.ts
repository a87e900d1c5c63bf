// The strategy `binomial`, the optimum for equal links: hosts play a binomial pipeline. Each host knows the whole
// schedule beforehand (binomial-schedule.ts), dials the hosts to which it sends, and sends in the order of the
// schedule, each piece as soon as it has it, two of them under way. No host waits for a clock: the order of the
// schedule alone keeps step, as in RDMC. It does not handle failures.
//
//   strand:  waiting --go--> sending --last piece left--> done (and the next source is told to go)
//
// The image is one row of pieces. Agents are divided among as many cubes as a blob has owners. In a cube the source is
// the owner of each blob in turn, and one that is done tells the next to continue. Interleaved, the pieces are dealt to
// several schedules with a strand each, so that the delays of a piece (latency, hashing, disk) do not hold up the next
// step.

import { countText } from "../engine/option-text.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { type CubeSchedule, cubeSchedule, type Sends } from "./binomial-schedule.ts"
import { isOrigin } from "./image.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import { type RivalWorldOptions, runRival, type Stage } from "./rival-crowd.ts"
import { defineStrategy, parameter, type StrategyDefinition } from "./strategy.ts"

const goOn = 1
const goOnBytes = 64
const piecesUnderWay = 2

/** The plan that all hosts of a flash crowd know. */
class Plan {
  readonly stage: Stage
  /** Number of schedules that share the pieces. */
  readonly interleaved: number
  /** Number of cubes, one per source. */
  readonly cubes: number
  readonly #schedules = new Map<string, CubeSchedule>()

  constructor(stage: Stage, interleaved: number) {
    const { cast, image } = stage
    this.stage = stage
    this.interleaved = Math.min(interleaved, image.pieces)
    this.cubes = Math.min(cast.owners[0]?.length ?? 1, cast.agents)
  }

  /** The strands of a host. Only the first strand of a source may start. */
  strandsOf(host: number): ReadonlyArray<Strand> {
    const { cast, image } = this.stage
    const strands: Array<Strand> = []
    for (let deal = 0; deal < this.interleaved; deal++) {
      if (!isOrigin(cast, host)) {
        const { hosts } = this.#schedule(host % this.cubes, deal)
        const sends = this.#placed(hosts[Math.floor(host / this.cubes)]!, host % this.cubes, deal)
        strands.push(new Strand(sends, deal, true, -1, -1))
        continue
      }
      for (let cube = 0; cube < this.cubes; cube++) {
        const all = this.#placed(this.#schedule(cube, deal).source, cube, deal)
        for (const [blob, owners] of cast.owners.entries()) {
          if (owners[cube] !== host) continue
          const own: Sends = []
          for (let at = 0; at < all.length; at += 2) {
            if (image.blobOf[all[at + 1]!] === blob) own.push(all[at]!, all[at + 1]!)
          }
          const next = cast.owners[blob + 1]?.[cube] ?? -1
          strands.push(new Strand(own, this.strandNumber(cube, deal, blob), blob === 0, next, blob))
        }
      }
    }
    return strands
  }

  /** Number of a strand of a source; the strands of an agent are numbered by deal. */
  strandNumber(cube: number, deal: number, blob: number): number {
    return (blob * this.cubes + cube) * this.interleaved + deal
  }

  /** The number of the strand from which `from` sent `piece` to the agent `to`. */
  strandOfSend(from: number, to: number, piece: number): number {
    const deal = piece % this.interleaved
    const { cast, image } = this.stage
    return isOrigin(cast, from) ? this.strandNumber(to % this.cubes, deal, image.blobOf[piece]!) : deal
  }

  #schedule(cube: number, deal: number): CubeSchedule {
    const { cast, image } = this.stage
    const hosts = Math.ceil((cast.agents - cube) / this.cubes)
    const pieces = Math.ceil((image.pieces - deal) / this.interleaved)
    const key = `${hosts}/${pieces}`
    let schedule = this.#schedules.get(key)
    if (schedule === undefined) {
      schedule = cubeSchedule(hosts, pieces)
      this.#schedules.set(key, schedule)
    }
    return schedule
  }

  /** The sends of a schedule as hosts and pieces of the image, without the steps in which nothing is sent. */
  #placed(sends: Sends, cube: number, deal: number): Sends {
    const placed: Sends = []
    for (let at = 0; at < sends.length; at += 2) {
      if (sends[at]! < 0) continue
      placed.push(sends[at]! * this.cubes + cube, sends[at + 1]! * this.interleaved + deal)
    }
    return placed
  }
}

class Strand {
  readonly sends: Sends
  readonly number: number
  /** The host that continues with the next blob, or -1. */
  readonly next: number
  readonly blob: number
  mayStart: boolean
  at = 0
  underWay = 0

  constructor(sends: Sends, number: number, mayStart: boolean, next: number, blob: number) {
    this.sends = sends
    this.number = number
    this.mayStart = mayStart
    this.next = next
    this.blob = blob
  }

  get isDone(): boolean {
    return this.at === this.sends.length && this.underWay === 0
  }
}

class CubeMember extends RivalMachine {
  readonly #io: RivalIo
  readonly #plan: Plan
  readonly #strands: ReadonlyMap<number, Strand>
  readonly #has: Uint8Array
  /** Links by the host to which this one sends. */
  readonly #links = new Map<number, LinkNumber>()
  /** Hosts by link. */
  readonly #peers: Array<number> = []
  /** By link: whether it is open. */
  readonly #open: Array<boolean> = []

  constructor(io: RivalIo, plan: Plan) {
    super()
    this.#io = io
    this.#plan = plan
    this.#strands = new Map(plan.strandsOf(io.host).map((strand) => [strand.number, strand]))
    const { image, cast } = plan.stage
    this.#has = new Uint8Array(image.pieces)
    for (const [blob, owners] of cast.owners.entries()) {
      if (owners.includes(io.host)) this.#has.fill(1, image.first[blob]!, image.first[blob + 1]!)
    }
  }

  override started(): void {
    for (const { sends, next } of this.#strands.values()) {
      for (let at = 0; at < sends.length; at += 2) this.#dial(sends[at]!)
      if (next >= 0 && next !== this.#io.host) this.#dial(next)
    }
  }

  override opened(link: LinkNumber): void {
    this.#open[link] = true
    this.#advanceAll()
  }

  override said(_link: LinkNumber, _kind: number, strand: number): void {
    this.#start(strand)
  }

  override arrived(_link: LinkNumber, piece: number): void {
    this.#io.store(piece)
  }

  override stored(piece: number): void {
    this.#has[piece] = 1
    this.#advance(this.#strands.get(piece % this.#plan.interleaved)!)
  }

  override uploaded(link: LinkNumber, piece: number): void {
    const strand = this.#strands.get(this.#plan.strandOfSend(this.#io.host, this.#peers[link]!, piece))!
    strand.underWay--
    this.#advance(strand)
    if (strand.isDone && strand.next >= 0) this.#handOver(strand)
  }

  #dial(host: number): void {
    if (this.#links.has(host)) return
    const link = this.#io.dial(host)
    this.#links.set(host, link)
    this.#peers[link] = host
  }

  #handOver({ next, number }: Strand): void {
    // Strands of the next blob are numbered one block higher.
    const following = number + this.#plan.cubes * this.#plan.interleaved
    if (next === this.#io.host) this.#start(following)
    else this.#io.say(this.#links.get(next)!, goOn, following, goOnBytes)
  }

  #start(number: number): void {
    const strand = this.#strands.get(number)!
    strand.mayStart = true
    if (strand.isDone && strand.next >= 0) this.#handOver(strand)
    this.#advance(strand)
  }

  #advanceAll(): void {
    for (const strand of this.#strands.values()) this.#advance(strand)
  }

  #advance(strand: Strand): void {
    const { sends } = strand
    while (strand.mayStart && strand.underWay < piecesUnderWay && strand.at < sends.length) {
      const piece = sends[strand.at + 1]!
      const link = this.#links.get(sends[strand.at]!)!
      if (this.#has[piece] === 0 || this.#open[link] !== true) return
      strand.at += 2
      strand.underWay++
      this.#io.upload(link, piece)
    }
  }
}

export interface BinomialParameters {
  readonly interleaved: number
}

/** Runs the strategy; a test can give it a world without disks. */
export const runBinomial = (
  spec: FlashCrowd,
  { interleaved }: BinomialParameters,
  progress: Parameters<StrategyDefinition<BinomialParameters>["run"]>[2],
  world: RivalWorldOptions = {}
) =>
  runRival(
    spec,
    {
      strategy: "binomial",
      helpers: 0,
      counts: {},
      machines: (stage) => {
        const plan = new Plan(stage, interleaved)
        return (io) => new CubeMember(io, plan)
      }
    },
    progress,
    world
  )

export const binomial = defineStrategy<BinomialParameters>({
  name: "binomial",
  parameters: {
    interleaved: parameter(
      countText(1, 64),
      "1",
      "Schedules that share the pieces: 1 as published; more hide latency, hashing and disk of a step behind the others."
    )
  },
  tuned: { interleaved: "4" },
  run: (spec, parameters, progress) => runBinomial(spec, parameters, progress)
})
