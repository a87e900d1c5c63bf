// The links of a network under the models "fair" and "fair-exact": they say when bulk frames leave. A flow is the
// stream of bulk frames of one connection end: its frames one after the other, at one rate, over the sender's uplink,
// the shared links between, and the receiver's downlink. fair-shares.ts computes the rate, fair-service.ts when a
// frame is through. A frame is whole at the other end one latency after its last byte has left.
//
//   none --send--> served --last frame left--> waiting --solve--> none
//                    ^------------send------------'
//
// Rates are computed once for all flows that begin and end in an instant, by an event after its other events; a
// connection that continues with its next frame in the same instant changes nothing.
//
// One event is scheduled, for the frame that leaves next; the others wait in the queue of fair-service.ts.
//
// A bulk frame is longer by the bytes of the control frames that passed before it began (access-loads.ts), on all its
// links. Shared links keep no account of control themselves.
//
// Invariant: no link carries more than its rate, except for control frames that passed bulk that has not begun yet.
// Ends of frames are rounded up to microseconds; a connection that continues keeps its fraction of one, another flow
// begins on a whole one.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { EventHandle, EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel, noHost } from "../kernel/kernel.ts"
import { AccessLoads } from "./access-loads.ts"
import { type ConnectionEnd, type Frame, isDead, type NetworkHost } from "./connection.ts"
import { type Attachment, addShared, Fabric, type FabricOptions } from "./fabric.ts"
import { FairService } from "./fair-service.ts"
import type { BulkCarrier, BulkLinks } from "./link-model.ts"
import type { AccessLinks, HostUse, LinkRates, LinkUse } from "./links.ts"

const kinds = { solve: eventKinds.network + 6, frameDone: eventKinds.network + 7 } as const

/** Part of a rate by which "fair" may be below the exact one at each link. */
const fastTolerance = 0.003

/** Microseconds by which the end of a frame may be early: more than the error of sums of rates times spans. */
const endTolerance = 1e-3

const noEvent: EventHandle = 0

/** A flow; its number is its place in a table, from 1 on. Flows are reused. */
class Flow {
  /** Absent while it is none. */
  from: ConnectionEnd | undefined
  /** The frame on the links, absent while it waits, and the last frame behind it. */
  head: Frame | undefined
  tail: Frame | undefined
  /** Bytes that a flow that waits got beyond its own. */
  surplus = 0
}

export class FairLinks implements BulkLinks, EventTarget {
  readonly #kernel: Kernel
  readonly #links: AccessLinks<Frame>
  readonly #carrier: BulkCarrier
  readonly #fabric: Fabric
  readonly #service: FairService
  /** By host number. The downlink of a host has the number after its uplink's. */
  readonly #uplinks: number[] = []
  readonly #attachments: Attachment[] = []
  readonly #loads = new AccessLoads()
  /** By number. */
  readonly #flows: Flow[] = [new Flow()]
  readonly #free: number[] = []
  /** Flows that had no frame left at some point of this instant. */
  readonly #waiting: number[] = []
  readonly #route: number[] = []
  #isSolveDue = false
  #endEvent: EventHandle = noEvent
  #endAt = 0

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
    this.#service = new FairService(model === "fair" ? fastTolerance : 0, kernel.clock)
    this.#fabric = new Fabric(fabric, (rate) => this.#service.addLink(rate / 1e6))
  }

  setRates(host: NetworkHost, rates: LinkRates): void {
    this.#links.setRates(host.index, rates)
    const uplink = this.#uplinks[host.index]
    if (uplink === undefined) {
      while (this.#uplinks.length < host.index) this.#uplinks.push(-1)
      this.#uplinks[host.index] = this.#service.addLink(rates.uplink / 1e6)
      this.#service.addLink(rates.downlink / 1e6)
      this.#loads.addHost(host.index)
      this.#attachments[host.index] = this.#fabric.attach(host.place)
      return
    }
    this.#setCapacity(uplink, rates.uplink / 1e6)
    this.#setCapacity(uplink + 1, rates.downlink / 1e6)
  }

  send(frame: Frame): void {
    const { to } = frame
    if (isDead(to) && to.state !== "connecting") {
      this.#carrier.lost(frame)
      return
    }
    frame.nextQueued = undefined
    const from = to.peer
    if (from.flow === 0) {
      this.#begin(from, frame)
      return
    }
    const flow = this.#flows[from.flow]!
    const { tail } = flow
    flow.tail = frame
    if (tail !== undefined) {
      tail.nextQueued = frame
      return
    }
    flow.head = frame
    this.#service.serve(from.flow, this.#work(from, frame) - flow.surplus)
    this.#expectEnd()
  }

  control(from: number, to: number, size: number): void {
    this.#loads.control(from, to, size)
  }

  again(from: number, to: number, size: number): void {
    this.#loads.again(from, to, size)
  }

  ended(to: ConnectionEnd): void {
    const from = to.peer
    if (from === undefined || from.flow === 0) return
    let frame = this.#flows[from.flow]!.head
    this.#close(from.flow)
    this.#solveSoon()
    while (frame !== undefined) {
      const next: Frame | undefined = frame.nextQueued
      frame.nextQueued = undefined
      this.#carrier.lost(frame)
      frame = next
    }
  }

  use({ index, ends }: NetworkHost): HostUse {
    let onUplink = 0
    let onDownlink = 0
    for (const end of ends) {
      if (end.flow !== 0) onUplink += this.#service.left(end.flow)
      // An end that dials has no peer yet.
      const { peer } = end as Partial<ConnectionEnd>
      if (peer !== undefined && peer.flow !== 0) onDownlink += this.#service.left(peer.flow)
    }
    const { now } = this.#kernel
    const of = (link: "uplink" | "downlink", left: number): LinkUse => ({
      busy: this.#loads.busy(index, link, now),
      bytes: this.#loads.begun(index, link) - left
    })
    return { uplink: of("uplink", onUplink), downlink: of("downlink", onDownlink) }
  }

  fire(kind: number): void {
    if (kind === kinds.solve) this.#solve()
    else this.#end()
  }

  /** The frame that leaves next has left, or the event was too early because its flow has become slower. */
  #end(): void {
    this.#endEvent = noEvent
    const { now } = this.#kernel
    const service = this.#service
    if (service.nextEnd > now + 2 * endTolerance) {
      this.#expectEnd()
      return
    }
    const number = service.nextFlow
    const flow = this.#flows[number]!
    const { from, head: frame } = flow
    invariant(
      from !== undefined && frame !== undefined,
      "fair links: a flow without a frame was through with one"
    )
    const next = frame.nextQueued
    frame.nextQueued = undefined
    flow.head = next
    if (next === undefined) {
      flow.tail = undefined
      flow.surplus = service.wait(number)
      this.#waiting.push(number)
      this.#solveSoon()
    } else {
      service.extend(number, this.#work(from, next))
    }
    this.#expectEnd()
    // This call comes last: its receivers may send, close or reset.
    this.#carrier.left(frame, now + from.latency)
  }

  #solve(): void {
    this.#isSolveDue = false
    const service = this.#service
    for (const number of this.#waiting) {
      const flow = this.#flows[number]!
      if (flow.from !== undefined && flow.head === undefined) this.#close(number)
    }
    this.#waiting.length = 0
    service.solve()
    this.#expectEnd()
  }

  /** Makes a flow that begins with this frame. */
  #begin(from: ConnectionEnd, frame: Frame): void {
    const number = this.#free.pop() ?? this.#flows.push(new Flow()) - 1
    const flow = this.#flows[number]!
    from.flow = number
    flow.from = from
    flow.head = frame
    flow.tail = frame
    this.#loads.open(from.hostIndex, from.peerIndex, this.#kernel.now)
    this.#service.open(number, this.#routeOf(from), this.#work(from, frame))
    this.#solveSoon()
  }

  #close(number: number): void {
    const flow = this.#flows[number]!
    const { hostIndex, peerIndex } = flow.from!
    this.#loads.close(hostIndex, peerIndex, this.#service.left(number), this.#kernel.now)
    flow.from!.flow = 0
    flow.from = undefined
    flow.head = undefined
    flow.tail = undefined
    this.#service.close(number)
    this.#free.push(number)
  }

  #routeOf({ hostIndex, peerIndex }: ConnectionEnd): ReadonlyArray<number> {
    const route = this.#route
    // Setting the length to 0 would free the memory of the array.
    while (route.length > 0) route.pop()
    route.push(this.#uplinks[hostIndex]!)
    addShared(route, this.#attachments[hostIndex]!, this.#attachments[peerIndex]!)
    route.push(this.#uplinks[peerIndex]! + 1)
    return route
  }

  /** Bytes that a frame costs on the links. */
  #work({ hostIndex, peerIndex }: ConnectionEnd, frame: Frame): number {
    return this.#loads.begin(hostIndex, peerIndex, frame.size)
  }

  #solveSoon(): void {
    if (this.#isSolveDue) return
    this.#isSolveDue = true
    this.#kernel.schedule(this.#kernel.now, this, kinds.solve, noHost, undefined)
  }

  /** Schedules the event of the frame that leaves next. An event that is too early stays. */
  #expectEnd(): void {
    const { nextEnd } = this.#service
    if (nextEnd === Number.POSITIVE_INFINITY) return
    const { now } = this.#kernel
    const at = Math.max(now, Math.ceil(nextEnd - endTolerance))
    if (this.#endEvent !== noEvent) {
      if (at >= this.#endAt) return
      this.#kernel.cancel(this.#endEvent)
    }
    this.#endAt = at
    const { from } = this.#flows[this.#service.nextFlow]!
    this.#endEvent = this.#kernel.schedule(at, this, kinds.frameDone, from!.hostIndex, undefined)
  }

  #setCapacity(link: number, capacity: number): void {
    const { shares } = this.#service
    if (shares.capacity(link) === capacity) return
    shares.setCapacity(link, capacity)
    this.#solveSoon()
  }
}
