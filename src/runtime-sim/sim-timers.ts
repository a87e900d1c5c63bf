// Decides how a process's data plane is woken: one event a wake. A process that is gone is not woken.

import type { Timers } from "../roles/services/timers.ts"
import { eventKinds } from "./kernel.ts"
import type { EventTarget } from "./event-queue.ts"
import type { SimProcess } from "./sim-process.ts"

export const makeTimers = (process: SimProcess): Timers["Service"] => {
  const { kernel, host } = process
  const waker: EventTarget = {
    fire: (_kind, subject) => {
      if (process.alive) (subject as () => void)()
    }
  }
  return {
    now: () => kernel.now,
    wakeAt: (at, wake) => {
      const handle = kernel.schedule(Math.max(at, kernel.now), waker, eventKinds.wake, host.index, wake)
      return () => {
        kernel.cancel(handle)
      }
    }
  }
}
