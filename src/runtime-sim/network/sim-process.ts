// A running process in the simulated world: alive until it is stopped or killed, on one network host. Everything that
// acts for a process (its transport, HTTP, timers, storage) asks `alive` before it lets anything out, so that a
// killed process is silent at once, although its fibers take time to end.

import type { Kernel } from "../kernel/kernel.ts"
import type { NetworkHost } from "./connection.ts"
import type { Connections } from "./connections.ts"

export interface SimProcess {
  readonly name: string
  readonly host: NetworkHost
  readonly kernel: Kernel
  readonly connections: Connections
  alive: boolean
}
