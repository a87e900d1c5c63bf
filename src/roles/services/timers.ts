// Timers service of the data plane: the current time and a wake-up call, both synchronous and without a fiber. The
// control plane uses Effect's Clock and Schedule instead.

import { Context } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

export class Timers extends Context.Service<
  Timers,
  {
    /** Microseconds since the world's origin; it never decreases. The function works without its service object. */
    readonly now: () => Micros
    /** Calls `wake` once at `at` or soon after; the returned function cancels it. */
    readonly wakeAt: (at: Micros, wake: () => void) => () => void
  }
>()("shoal/roles/Timers") {}
