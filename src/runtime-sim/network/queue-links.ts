// The links of a network under the model "queue": the access links of links.ts, where the frames of a host leave one
// after the other in the order in which they were sent. A frame costs one event.
//
// Invariant: an uplink is idle only when nothing waits for it.

import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel } from "../kernel/kernel.ts"
import { type Frame, isDead, type NetworkHost } from "./connection.ts"
import type { BulkCarrier, BulkLinks } from "./link-model.ts"
import type { AccessLinks, HostUse, LinkRates } from "./links.ts"

const uplinkDone = eventKinds.network + 1

export class QueueLinks implements BulkLinks, EventTarget {
  readonly #kernel: Kernel
  readonly #links: AccessLinks<Frame>
  readonly #carrier: BulkCarrier

  constructor(kernel: Kernel, links: AccessLinks<Frame>, carrier: BulkCarrier) {
    this.#kernel = kernel
    this.#links = links
    this.#carrier = carrier
  }

  setRates(host: NetworkHost, rates: LinkRates): void {
    this.#links.setRates(host.index, rates)
  }

  send(frame: Frame): void {
    const host = frame.to.peer.hostIndex
    if (this.#links.enqueue(host, frame)) this.#startUplink(host, false)
  }

  /** The access links keep their own account of control. */
  control(): void {}

  again(from: number, to: number, size: number): void {
    this.#links.charge(from, to, size, this.#kernel.now)
  }

  /** Frames without a receiver keep their turn once they have begun. The others are dropped at their turn. */
  ended(): void {}

  use({ index }: NetworkHost): HostUse {
    return this.#links.use(index, this.#kernel.now)
  }

  fire(_kind: number, _subject: unknown, host: number): void {
    const links = this.#links
    const startedAt = links.startedAt(host)
    const frame = links.finish(host)
    const { to, size } = frame
    this.#startUplink(host, true)
    if (isDead(to)) {
      this.#carrier.lost(frame)
      return
    }
    const { latency } = to.peer
    const last = this.#kernel.now + latency
    this.#carrier.left(frame, links.receiveBulk(to.hostIndex, size, startedAt + latency, last))
  }

  /** Puts the next frame of a live connection on the free uplink. */
  #startUplink(host: number, waited: boolean): void {
    const links = this.#links
    for (let frame = links.dequeue(host); frame !== undefined; frame = links.dequeue(host)) {
      if (!isDead(frame.to)) {
        const left = links.start(host, frame, this.#kernel.now, waited)
        this.#kernel.schedule(Math.ceil(left), this, uplinkDone, host, undefined, host)
        return
      }
      this.#carrier.lost(frame)
    }
  }
}
