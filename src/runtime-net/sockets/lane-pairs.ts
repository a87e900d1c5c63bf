// The lanes of connections of which a listener has one so far. The other one comes in time, or the first is closed.
//
// Invariants: a lane is matched once, with the other lane of its id; one that is closed is forgotten; one that waits is
// not read, so that frames for nobody take no memory.

import type { Micros } from "../../protocol/kit/time.ts"
import { monotonicNow, wakeAt } from "../platform/node-timers.ts"
import type { Lane, LaneName, Lanes } from "./lane.ts"

interface Half {
  readonly name: LaneName
  readonly lane: Lane
  readonly forget: () => void
}

export class LanePairs {
  readonly #halves = new Map<string, Half>()
  readonly #patience: Micros
  readonly #late: () => void

  /**
   * @param patience How long a lane waits for the other one.
   * @param late Called when the other one has not come.
   */
  constructor(patience: Micros, late: () => void) {
    this.#patience = patience
    this.#late = late
  }

  /** Number of lanes that wait for their other one. */
  get size(): number {
    return this.#halves.size
  }

  has(id: string): boolean {
    return this.#halves.has(id)
  }

  /** Whether a lane is not here yet, so that it may come. */
  mayCome(id: string, name: LaneName): boolean {
    return this.#halves.get(id)?.name !== name
  }

  /** A lane has come. Gives both when this is the second one. */
  came(id: string, name: LaneName, lane: Lane): Lanes | undefined {
    const other = this.#halves.get(id)
    if (other !== undefined) {
      other.forget()
      return name === "messages"
        ? { messages: lane, pieces: other.lane }
        : { messages: other.lane, pieces: lane }
    }
    const forget = (): void => {
      this.#halves.delete(id)
      cancel()
    }
    const cancel = wakeAt(monotonicNow() + this.#patience, () => {
      this.#late()
      lane.terminate()
    })
    lane.listen({ closed: forget })
    this.#halves.set(id, { name, lane, forget })
    return undefined
  }

  /** Closes the lanes that wait. */
  end(): void {
    for (const { lane } of this.#halves.values()) lane.terminate()
  }
}
