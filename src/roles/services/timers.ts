// Decides how the data plane learns the time and is woken: two synchronous calls, no fiber. The control plane uses
// Effect's Clock and Schedule instead.

import { Context } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

export class Timers extends Context.Service<
  Timers,
  {
    /** Microseconds since the world's origin; never goes back. It may be called apart from the service. */
    readonly now: () => Micros
    /** Calls `wake` once at `at` or soon after; the result cancels it. */
    readonly wakeAt: (at: Micros, wake: () => void) => () => void
  }
>()("shoal/roles/Timers") {}
