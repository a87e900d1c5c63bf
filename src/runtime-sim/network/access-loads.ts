// What the fair models know of the access links of hosts besides rates: how many flows each has, and how many bytes
// control frames have taken from its bulk. Control frames pass the bulk in their own lane (links.ts). While bulk is on
// the sender's uplink or the receiver's downlink, that link owes the bytes of a control frame: the next bulk frame that
// begins on it is longer by them. The same holds for the frame behind a copy that was lost.

export class AccessLoads {
  // By host: the uplink, then the downlink.
  readonly #flows: number[] = []
  readonly #debts: number[] = []

  addHost(host: number): void {
    while (this.#flows.length < 2 * host + 2) {
      this.#flows.push(0)
      this.#debts.push(0)
    }
  }

  /** A flow from one host to another begins (1) or ends (-1). */
  count(from: number, to: number, more: 1 | -1): void {
    this.#flows[2 * from]! += more
    this.#flows[2 * to + 1]! += more
  }

  /** A control frame passes what is on the links. */
  control(from: number, to: number, size: number): void {
    if (this.#flows[2 * from]! > 0) this.#debts[2 * from]! += size
    if (this.#flows[2 * to + 1]! > 0) this.#debts[2 * to + 1]! += size
  }

  /** Bytes go again at some time, also on links without flows. */
  again(from: number, to: number, size: number): void {
    this.#debts[2 * from]! += size
    this.#debts[2 * to + 1]! += size
  }

  /** Bytes that a frame which begins now pays for both links. They owe nothing afterwards. */
  pay(from: number, to: number): number {
    const debt = this.#debts[2 * from]! + this.#debts[2 * to + 1]!
    this.#debts[2 * from] = 0
    this.#debts[2 * to + 1] = 0
    return debt
  }
}
