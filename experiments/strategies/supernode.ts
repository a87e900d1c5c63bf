// The strategy `supernode`, Dragonfly's first design: a supernode knows the state of all hosts and decides for each
// host, piece by piece, from whom it fetches next. An agent registers, receives pieces and servers, fetches each piece
// by a connection of its own as dfget does, and reports it before it receives the next. A supernode handles one message
// at a time and needs a while for each piece that it decides; meanwhile the others wait. Each of several supernodes has
// its share of the agents, which do not know the others; all use the same origins.
//
//   agent:      registered -> [ told -> dial -> Get piece -> stored -> report ]*
//   supernode:  idle -> deciding -> answered -> idle or the next message

import type { Micros } from "../../src/protocol/kit/time.ts"
import { choiceText, countText, durationText } from "../engine/option-text.ts"
import { firstHelper, isOrigin } from "./image.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import { runRival, type Stage } from "./rival-crowd.ts"
import { defineStrategy, parameter } from "./strategy.ts"
import { type SupernodeRules, SupernodeSchedule } from "./supernode-schedule.ts"

const kinds = { register: 1, report: 2, get: 3 } as const
const sizes = { register: 400, report: 300, get: 250, answer: 200, task: 120 } as const

/** The answer of a supernode: pieces and servers in turn. */
class Tasks {
  readonly list: ReadonlyArray<number>

  constructor(list: ReadonlyArray<number>) {
    this.list = list
  }
}

class Agent extends RivalMachine {
  readonly #io: RivalIo
  readonly #supernode: number
  readonly #blobs: number
  #link: LinkNumber = -1
  /** By link to a server: the piece to get. */
  readonly #wanted: Array<number | undefined> = []

  constructor(io: RivalIo, supernode: number, blobs: number) {
    super()
    this.#io = io
    this.#supernode = supernode
    this.#blobs = blobs
  }

  override started(): void {
    this.#link = this.#io.dial(this.#supernode)
  }

  override opened(link: LinkNumber): void {
    const piece = this.#wanted[link]
    if (piece !== undefined) this.#io.say(link, kinds.get, piece, sizes.get)
    else
      for (let blob = 0; blob < this.#blobs; blob++) this.#io.say(link, kinds.register, blob, sizes.register)
  }

  override told(_link: LinkNumber, body: object): void {
    const { list } = body as Tasks
    for (let at = 0; at < list.length; at += 2) this.#wanted[this.#io.dial(list[at + 1]!)] = list[at]!
  }

  override said(link: LinkNumber, _kind: number, piece: number): void {
    this.#io.upload(link, piece)
  }

  override arrived(link: LinkNumber, piece: number): void {
    this.#io.close(link)
    this.#io.store(piece)
  }

  override stored(piece: number): void {
    this.#io.say(this.#link, kinds.report, piece, sizes.report)
  }
}

class Origin extends RivalMachine {
  readonly #io: RivalIo

  constructor(io: RivalIo) {
    super()
    this.#io = io
  }

  override said(link: LinkNumber, _kind: number, piece: number): void {
    this.#io.upload(link, piece)
  }
}

type SupernodeCounts = { decisions: number; waits: number }

class Supernode extends RivalMachine {
  readonly #io: RivalIo
  readonly #stage: Stage
  readonly #schedule: SupernodeSchedule
  readonly #decision: Micros
  readonly #counts: SupernodeCounts
  /** Agents by link. */
  readonly #agents: Array<number> = []
  /** Links by agent. */
  readonly #links = new Map<number, LinkNumber>()
  /** Messages that are not handled yet: agent, kind, argument. */
  #inbox: Array<number> = []
  #read = 0
  #isDeciding = false
  /** The last decisions, which are sent when the time for them is over. */
  readonly #answers: Array<readonly [agent: number, tasks: Tasks]> = []
  /** Agents and blobs that got less than they may fetch, in the order in which they came. */
  readonly #waiting: Array<number> = []
  #served = 0
  readonly #isWaiting: Uint8Array

  constructor(
    io: RivalIo,
    stage: Stage,
    schedule: SupernodeSchedule,
    decision: Micros,
    counts: SupernodeCounts
  ) {
    super()
    this.#io = io
    this.#stage = stage
    this.#schedule = schedule
    this.#decision = decision
    this.#counts = counts
    this.#isWaiting = new Uint8Array(stage.cast.agents * stage.image.blobs)
  }

  override accepted(link: LinkNumber, from: number): void {
    this.#agents[link] = from
    this.#links.set(from, link)
  }

  override said(link: LinkNumber, kind: number, argument: number): void {
    this.#inbox.push(this.#agents[link]!, kind, argument)
    if (!this.#isDeciding) this.#takeNext()
  }

  override woken(): void {
    for (const [agent, tasks] of this.#answers) {
      const bytes = sizes.answer + (tasks.list.length / 2) * sizes.task
      this.#io.tell(this.#links.get(agent)!, tasks, bytes)
    }
    this.#answers.length = 0
    this.#isDeciding = false
    if (this.#read < this.#inbox.length) this.#takeNext()
  }

  #takeNext(): void {
    const { image } = this.#stage
    const agent = this.#inbox[this.#read++]!
    const kind = this.#inbox[this.#read++]!
    const argument = this.#inbox[this.#read++]!
    if (this.#read >= 65_535) {
      this.#inbox = this.#inbox.slice(this.#read)
      this.#read = 0
    }
    let decided = 0
    if (kind === kinds.report) {
      this.#schedule.fetched(agent, argument)
      decided += this.#decide(agent, image.blobOf[argument]!)
      // A slot is free now: two of the waiting agents try to get it.
      for (let turn = 0; turn < 2 && this.#served < this.#waiting.length; turn++) {
        const waiting = this.#waiting[this.#served++]!
        this.#isWaiting[waiting] = 0
        decided += this.#decide(Math.floor(waiting / image.blobs), waiting % image.blobs)
      }
    } else decided += this.#decide(agent, argument)
    this.#isDeciding = true
    this.#io.wakeAt(this.#io.now + this.#decision * Math.max(1, decided), 0)
  }

  /** Decides for one agent. Returns the number of pieces that it is to fetch. */
  #decide(agent: number, blob: number): number {
    const tasks = this.#schedule.next(agent, blob, this.#io.random)
    const decided = tasks.length / 2
    this.#counts.decisions += decided
    if (decided > 0) this.#answers.push([agent, new Tasks(tasks)])
    const place = agent * this.#stage.image.blobs + blob
    if (this.#isWaiting[place] === 0 && this.#schedule.isHungry(agent, blob)) {
      this.#counts.waits++
      this.#isWaiting[place] = 1
      this.#waiting.push(place)
    }
    return decided
  }
}

export const supernode = defineStrategy({
  name: "supernode",
  // Limits are Dragonfly's. A host waits when all are busy: else the many hosts that start at once queue at the
  // origins.
  parameters: {
    supernodes: parameter(countText(1, 100), "1", "Supernodes, each of which has its share of the hosts."),
    decision: parameter(
      durationText,
      "100us",
      "Time that a supernode needs to decide one piece for one host."
    ),
    downLimit: parameter(countText(1, 1_000), "4", "Pieces of a blob that a host fetches at the same time."),
    upLimit: parameter(countText(1, 1_000), "5", "Pieces of a blob that a host serves at the same time."),
    whenBusy: parameter(
      choiceText(["wait", "origin"]),
      "wait",
      "When all holders of a piece are busy: wait, or fetch it from an origin, however busy, as Dragonfly's source does."
    )
  },
  refuse: (spec, { supernodes }) =>
    supernodes > spec.agents ? `${supernodes} supernodes are more than ${spec.agents} agents` : undefined,
  run: (spec, { supernodes, decision, downLimit, upLimit, whenBusy }, progress) => {
    const counts: SupernodeCounts = { decisions: 0, waits: 0 }
    const rules: SupernodeRules = { downLimit, upLimit, whenBusy }
    return runRival(
      spec,
      {
        strategy: "supernode",
        helpers: supernodes,
        counts,
        machines: (stage) => {
          const { cast, image } = stage
          const from = firstHelper(cast)
          const hosts = { all: from + supernodes, agents: cast.agents, shares: supernodes }
          return (io) => {
            if (isOrigin(cast, io.host)) return new Origin(io)
            if (io.host < cast.agents) return new Agent(io, from + (io.host % supernodes), image.blobs)
            const schedule = new SupernodeSchedule(image, hosts, cast.owners, rules)
            return new Supernode(io, stage, schedule, decision, counts)
          }
        }
      },
      progress
    )
  }
})
