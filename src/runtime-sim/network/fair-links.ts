// The links of a network under the models "fair" and "fair-exact": they say when bulk frames leave. A flow is the
// stream of bulk frames of one connection end: its frames one after the other, at one rate, over the sender's uplink,
// the shared links between, and the receiver's downlink. fair-shares.ts computes the rate. A frame is whole at the
// other end one latency after its last byte has left.
//
//   idle --send--> open (a frame on the links, others behind it) --last frame left--> idle at the end of the instant
//
// Rates are computed once for all flows that begin and end in an instant, by an event after its other events; a
// connection that continues with its next frame in the same instant changes nothing. A flow has one event, at the
// expected completion of its frame. When the flow has become slower, the event finds that out and is scheduled again.
// When it has become faster, the event is moved, except (in "fair") when it would move by less than the tolerance
// allows of the time left.
//
// Control frames pass the bulk in their own lane (links.ts). While bulk is on the sender's uplink or the receiver's
// downlink, that link owes the bytes of a control frame: the next bulk frame that begins on it is longer by them, on
// all its links. The same holds for the frame behind a copy that was lost. Shared links keep no account of control
// themselves.
//
// Invariant: no link carries more than its rate, except for control frames that passed bulk that has not begun yet.
// Ends of frames are rounded up to microseconds; a connection that continues keeps its fraction of one, another flow
// begins on a whole one.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { EventHandle, EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel, noHost } from "../kernel/kernel.ts"
import { type ConnectionEnd, type Frame, isDead, type NetworkHost } from "./connection.ts"
import { Fabric, type FabricOptions } from "./fabric.ts"
import { FairFlow, FairLink, FairShares } from "./fair-shares.ts"
import type { BulkCarrier, BulkLinks } from "./link-model.ts"
import type { AccessLinks, LinkRates } from "./links.ts"

const kinds = { solve: eventKinds.network + 6, frameDone: eventKinds.network + 7 } as const

/** Relative error that "fair" allows in rates and ends of frames. */
const fastTolerance = 0.003

/** Microseconds by which the end of a frame may be early: more than the error of sums of rates times spans. */
const endTolerance = 1e-3

class ConnectionFlow extends FairFlow {
  readonly from: ConnectionEnd
  /** The frame on the links. `tail` is the last one behind it. */
  head: Frame | undefined
  tail: Frame | undefined
  /** Bytes of the head that had not left at `since`. A negative value is a head start for the next frame. */
  remaining = 0
  since: Micros = 0
  event: EventHandle = noEvent
  /** The instant of the event. */
  eventAt: Micros = 0

  constructor(from: ConnectionEnd, links: ReadonlyArray<FairLink>) {
    super(links)
    this.from = from
  }
}

const noEvent: EventHandle = 0

export class FairLinks implements BulkLinks, EventTarget {
  readonly #kernel: Kernel
  readonly #links: AccessLinks<Frame>
  readonly #carrier: BulkCarrier
  readonly #fabric: Fabric
  readonly #tolerance: number
  readonly #shares: FairShares<ConnectionFlow>
  /** By host number. */
  readonly #uplinks: Array<FairLink | undefined> = []
  readonly #downlinks: Array<FairLink | undefined> = []
  readonly #flows = new Map<ConnectionEnd, ConnectionFlow>()
  /** Flows that had no frame left at some point of this instant. */
  readonly #resting: ConnectionFlow[] = []
  #isSolveDue = false

  constructor(
    kernel: Kernel,
    links: AccessLinks<Frame>,
    carrier: BulkCarrier,
    fabric: FabricOptions,
    model: "fair" | "fair-exact"
  ) {
    this.#kernel = kernel
    this.#links = links
    this.#carrier = carrier
    this.#fabric = new Fabric(fabric)
    this.#tolerance = model === "fair" ? fastTolerance : 0
    this.#shares = new FairShares(this.#tolerance)
  }

  setRates(host: NetworkHost, rates: LinkRates): void {
    this.#links.setRates(host.index, rates)
    this.#setCapacity(this.#uplinks, host.index, rates.uplink / 1e6)
    this.#setCapacity(this.#downlinks, host.index, rates.downlink / 1e6)
  }

  send(frame: Frame): void {
    const { to } = frame
    if (isDead(to) && to.state !== "connecting") {
      this.#carrier.lost(frame)
      return
    }
    const flow = this.#flows.get(to.peer) ?? this.#newFlow(to.peer, to)
    frame.nextQueued = undefined
    const { tail } = flow
    flow.tail = frame
    if (tail !== undefined) {
      tail.nextQueued = frame
      return
    }
    flow.head = frame
    if (flow.isOpen) {
      this.#begin(flow, frame)
      return
    }
    flow.since = this.#kernel.now
    flow.remaining = this.#work(flow, frame)
    this.#shares.open(flow)
    this.#solveSoon()
  }

  control(from: number, to: number, size: number): void {
    const uplink = this.#uplinks[from]!
    const downlink = this.#downlinks[to]!
    if (uplink.flows.length > 0) uplink.debt += size
    if (downlink.flows.length > 0) downlink.debt += size
  }

  again(from: number, to: number, size: number): void {
    this.#uplinks[from]!.debt += size
    this.#downlinks[to]!.debt += size
  }

  ended(to: ConnectionEnd): void {
    const from = to.peer
    const flow = this.#flows.get(from)
    if (flow === undefined) return
    this.#flows.delete(from)
    if (flow.isOpen) {
      this.#shares.close(flow)
      this.#solveSoon()
    }
    this.#kernel.cancel(flow.event)
    let frame = flow.head
    flow.head = undefined
    flow.tail = undefined
    while (frame !== undefined) {
      const next: Frame | undefined = frame.nextQueued
      frame.nextQueued = undefined
      this.#carrier.lost(frame)
      frame = next
    }
  }

  fire(kind: number, subject: unknown): void {
    if (kind === kinds.solve) this.#solve()
    else this.#frameDone(subject as ConnectionFlow)
  }

  #frameDone(flow: ConnectionFlow): void {
    const { now } = this.#kernel
    flow.event = noEvent
    flow.remaining -= flow.rate * (now - flow.since)
    flow.since = now
    if (flow.remaining > 2 * flow.rate * endTolerance) {
      this.#setEvent(flow)
      return
    }
    const frame = flow.head
    invariant(frame !== undefined, "fair links: a flow without a frame was through with one")
    const next = frame.nextQueued
    frame.nextQueued = undefined
    flow.head = next
    if (next === undefined) {
      flow.tail = undefined
      this.#resting.push(flow)
      this.#solveSoon()
    } else {
      this.#begin(flow, next)
    }
    // This call comes last: its receivers may send, close or reset.
    this.#carrier.left(frame, now + flow.from.latency)
  }

  /** The next frame of an open flow follows directly behind the previous one. */
  #begin(flow: ConnectionFlow, frame: Frame): void {
    flow.remaining += this.#work(flow, frame)
    this.#setEvent(flow)
  }

  /** Bytes that a frame costs on the links, including their debt. */
  #work({ links }: ConnectionFlow, frame: Frame): number {
    const uplink = links[0]!
    const downlink = links[links.length - 1]!
    const work = frame.size + uplink.debt + downlink.debt
    uplink.debt = 0
    downlink.debt = 0
    return work
  }

  #solveSoon(): void {
    if (this.#isSolveDue) return
    this.#isSolveDue = true
    this.#kernel.schedule(this.#kernel.now, this, kinds.solve, noHost, undefined)
  }

  #solve(): void {
    this.#isSolveDue = false
    for (const flow of this.#resting) if (flow.head === undefined && flow.isOpen) this.#shares.close(flow)
    this.#resting.length = 0
    this.#shares.solve(this.#follow)
  }

  /** Updates a flow whose rate has changed. */
  readonly #follow = (flow: ConnectionFlow): void => {
    const { now } = this.#kernel
    flow.remaining -= flow.rateBefore * (now - flow.since)
    flow.since = now
    this.#setEvent(flow)
  }

  #setEvent(flow: ConnectionFlow): void {
    const kernel = this.#kernel
    const span = flow.remaining / flow.rate
    const at = Math.max(kernel.now, Math.ceil(kernel.now + span - endTolerance))
    if (flow.event !== noEvent) {
      if (at + this.#tolerance * span >= flow.eventAt) return
      kernel.cancel(flow.event)
    }
    flow.eventAt = at
    flow.event = kernel.schedule(at, this, kinds.frameDone, flow.from.hostIndex, flow)
  }

  #newFlow(from: ConnectionEnd, to: ConnectionEnd): ConnectionFlow {
    const shared = this.#fabric.between(from.host.place, to.host.place)
    const uplink = this.#uplinks[from.hostIndex]!
    const flow = new ConnectionFlow(from, [uplink, ...shared, this.#downlinks[to.hostIndex]!])
    this.#flows.set(from, flow)
    return flow
  }

  #setCapacity(links: Array<FairLink | undefined>, host: number, capacity: number): void {
    const known = links[host]
    if (known === undefined) {
      links[host] = new FairLink(capacity)
    } else if (known.capacity !== capacity) {
      this.#shares.setCapacity(known, capacity)
      this.#solveSoon()
    }
  }
}
