// What the fair models know of the access links of hosts besides rates: how many flows each has, since when it has any,
// how many bytes of frames have begun on it, and how many bytes control frames have taken from its bulk. Control frames
// pass the bulk in their own lane (links.ts). While bulk is on the sender's uplink or the receiver's downlink, that
// link owes the bytes of a control frame: the next bulk frame that begins on it is longer by them. The same holds for
// the frame behind a copy that was lost.
//
// A link is busy while it has a flow, at whatever rate.

import type { Micros } from "../../protocol/kit/time.ts"

// A host is two rows of a cache line each: its uplink, then its downlink.
const rowLength = 8
const flowsAt = 0
const debtAt = 1
const busySinceAt = 2
const busyBeforeAt = 3
const begunAt = 4

export class AccessLoads {
  #rows = new Float64Array(2 * rowLength * 64)

  addHost(host: number): void {
    while (2 * (host + 1) * rowLength > this.#rows.length) {
      const longer = new Float64Array(2 * this.#rows.length)
      longer.set(this.#rows)
      this.#rows = longer
    }
  }

  /** A flow from one host to another begins. */
  open(from: number, to: number, now: Micros): void {
    this.#openOn(uplinkRow(from), now)
    this.#openOn(downlinkRow(to), now)
  }

  /** A flow ends with `left` bytes of a frame that has begun and will not be through. */
  close(from: number, to: number, left: number, now: Micros): void {
    this.#closeOn(uplinkRow(from), left, now)
    this.#closeOn(downlinkRow(to), left, now)
  }

  /** A control frame passes what is on the links. */
  control(from: number, to: number, size: number): void {
    const rows = this.#rows
    const [up, down] = [uplinkRow(from), downlinkRow(to)]
    if (rows[up + flowsAt]! > 0) rows[up + debtAt]! += size
    if (rows[down + flowsAt]! > 0) rows[down + debtAt]! += size
  }

  /** Bytes go again at some time, also on links without flows. */
  again(from: number, to: number, size: number): void {
    this.#rows[uplinkRow(from) + debtAt]! += size
    this.#rows[downlinkRow(to) + debtAt]! += size
  }

  /** A frame begins. Returns its bytes with those that it pays for both links, which owe nothing afterwards. */
  begin(from: number, to: number, size: number): number {
    const rows = this.#rows
    const [up, down] = [uplinkRow(from), downlinkRow(to)]
    const work = size + rows[up + debtAt]! + rows[down + debtAt]!
    rows[up + debtAt] = 0
    rows[down + debtAt] = 0
    rows[up + begunAt]! += work
    rows[down + begunAt]! += work
    return work
  }

  /** Microseconds since the start in which a link of a host had a flow. */
  busy(host: number, link: "uplink" | "downlink", now: Micros): number {
    const rows = this.#rows
    const row = link === "uplink" ? uplinkRow(host) : downlinkRow(host)
    return rows[row + busyBeforeAt]! + (rows[row + flowsAt] === 0 ? 0 : now - rows[row + busySinceAt]!)
  }

  /** Bytes since the start of frames that have begun on a link of a host, those that it has not carried included. */
  begun(host: number, link: "uplink" | "downlink"): number {
    return this.#rows[(link === "uplink" ? uplinkRow(host) : downlinkRow(host)) + begunAt]!
  }

  #openOn(row: number, now: Micros): void {
    const rows = this.#rows
    if (rows[row + flowsAt] === 0) rows[row + busySinceAt] = now
    rows[row + flowsAt]!++
  }

  #closeOn(row: number, left: number, now: Micros): void {
    const rows = this.#rows
    rows[row + begunAt]! -= left
    rows[row + flowsAt]!--
    if (rows[row + flowsAt] === 0) rows[row + busyBeforeAt]! += now - rows[row + busySinceAt]!
  }
}

const uplinkRow = (host: number): number => 2 * host * rowLength
const downlinkRow = (host: number): number => (2 * host + 1) * rowLength
