// The timers of a process's data plane: one event per wake. A process that is gone is not woken.

import type { Micros } from "../../protocol/kit/time.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel } from "../kernel/kernel.ts"
import type { SimProcess } from "../network/sim-process.ts"

export class SimTimers implements EventTarget {
  readonly now: () => Micros
  readonly #kernel: Kernel
  readonly #process: SimProcess

  constructor(process: SimProcess) {
    this.#kernel = process.kernel
    this.now = process.kernel.clock
    this.#process = process
  }

  wakeAt(at: Micros, wake: () => void): () => void {
    const kernel = this.#kernel
    const handle = kernel.schedule(
      Math.max(at, kernel.now),
      this,
      eventKinds.wake,
      this.#process.host.index,
      wake
    )
    return () => {
      kernel.cancel(handle)
    }
  }

  fire(_kind: number, wake: unknown): void {
    if (this.#process.alive) (wake as () => void)()
  }
}
