// For how long nothing has come on a socket, by the bytes that it has read. A side that does not read hears nothing.

import type { Socket } from "node:net"
import type { Micros } from "../../protocol/kit/time.ts"
import { monotonicNow } from "../platform/node-timers.ts"

export class Silence {
  readonly #tcp: Pick<Socket, "bytesRead">
  #bytesHeard: number
  #heardAt: Micros

  constructor(tcp: Pick<Socket, "bytesRead">) {
    this.#tcp = tcp
    this.#bytesHeard = tcp.bytesRead
    this.#heardAt = monotonicNow()
  }

  at(now: Micros, isPaused: boolean): Micros {
    if (this.#tcp.bytesRead !== this.#bytesHeard || isPaused) {
      this.#bytesHeard = this.#tcp.bytesRead
      this.#heardAt = now
    }
    return now - this.#heardAt
  }
}
