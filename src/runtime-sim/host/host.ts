// Turns a host program into a host of the simulated world: it gets a process on its machine with the services of this
// world, its apps are served where its listeners say, and it ends in order or by a kill.
//
//   starting --program done, listeners open--> running --stop--> stopped     finalizers run, then the network closes
//       |  program failed                         +----kill--> killed        silent first, disk fenced, fibers after
//       +--> (error; nothing is left)
//
// Invariant: after a kill, nothing of the process reaches the network or the disk, although its fibers still unwind.

import { Cause, Context, Data, Effect, Exit, Fiber, Scope } from "effect"
import { HttpClient } from "effect/http"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { HostProgram, HostProgramError, HostServices, StartedRole } from "../../roles/host-program.ts"
import { Digests } from "../../roles/services/digests.ts"
import { HostStorage } from "../../roles/services/host-storage.ts"
import { PeerTransport } from "../../roles/services/peer-transport.ts"
import { Timers } from "../../roles/services/timers.ts"
import { SimBlobStore } from "../disk/sim-blob-store.ts"
import { simDigests } from "../disk/sim-digests.ts"
import type { SimDisk } from "../disk/sim-disk.ts"
import { SimTableStore } from "../disk/sim-table-store.ts"
import { type StorageFaults, StorageSession } from "../disk/storage-session.ts"
import { makeHttpClient } from "../http/sim-http-client.ts"
import { listenHttp } from "../http/sim-http-server.ts"
import type { Kernel } from "../kernel/kernel.ts"
import type { NetworkHost } from "../network/connection.ts"
import type { Connections } from "../network/connections.ts"
import type { NetworkFaults } from "../network/faults.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { SimTimers } from "./sim-timers.ts"
import { makePeerTransport } from "./sim-transport.ts"

class SimListenError extends Data.TaggedError("SimListenError")<{ readonly message: string }> {}

/** A machine of the simulated world: its place on the network and its disk. */
export interface Machine {
  readonly kernel: Kernel
  readonly connections: Connections
  readonly networkFaults: NetworkFaults
  readonly host: NetworkHost
  readonly disk: SimDisk
  /** Number of processes that were started on it. */
  starts: number
  /** The last process. A machine runs one at a time. */
  process: SimProcess | undefined
}

export interface SimHost<Role extends StartedRole = StartedRole> {
  readonly role: Role
  readonly name: string
  readonly stop: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

/** The storage of a process: its machine's disk by the names of its folders. */
export const makeHostStorage = (session: StorageSession): HostStorage["Service"] => ({
  blobs: (folder) => Effect.sync(() => new SimBlobStore(session, session.disk.folder(folder))),
  tables: (folder) => Effect.sync(() => new SimTableStore(session, session.disk.folder(folder))),
  identity: (folder) => Effect.sync(() => session.disk.identity(folder))
})

/** Starts a program on a machine and serves its apps. */
export const startProcess = <Role extends StartedRole>(
  machine: Machine,
  program: HostProgram<Role>,
  faults: StorageFaults
): Effect.Effect<SimHost<Role>, HostProgramError> =>
  Effect.suspend(() => {
    const { host, kernel, connections } = machine
    invariant(machine.process?.alive !== true, `host ${host.name} runs already: stop or kill it first`)
    const process: SimProcess = { name: host.name, host, kernel, connections, alive: true }
    machine.process = process
    const running = new RunningProcess(machine, process, faults)
    return Effect.onInterrupt(
      Effect.map(running.start(program), (role) => ({
        role,
        name: host.name,
        stop: running.stop,
        kill: running.kill
      })),
      () => running.kill
    )
  })

class RunningProcess {
  readonly #machine: Machine
  readonly #process: SimProcess
  readonly #services: Context.Context<HostServices>
  readonly #scope = Scope.makeUnsafe()
  #starting: Fiber.Fiber<unknown, unknown> | undefined

  constructor(machine: Machine, process: SimProcess, faults: StorageFaults) {
    this.#machine = machine
    this.#process = process
    // A process that starts again draws other random numbers, as a real one would.
    const start = machine.starts++
    const stream = start === 0 ? process.name : `${process.name}/${start}`
    const session = new StorageSession(process, machine.disk, faults)
    const services = machine.kernel
      .context(machine.host.index, stream)
      .pipe(
        Context.add(HostStorage, makeHostStorage(session)),
        Context.add(PeerTransport, makePeerTransport(process)),
        Context.add(Timers, new SimTimers(process)),
        Context.add(Digests, simDigests),
        Context.add(HttpClient.HttpClient, makeHttpClient(process))
      )
    // The context is flattened: one that grew by additions would keep its steps as well, for every host.
    this.#services = Context.makeUnsafe(services.mapUnsafe)
  }

  start<Role extends StartedRole>(program: HostProgram<Role>): Effect.Effect<Role, HostProgramError> {
    const inside = Effect.tap(Scope.provide(program, this.#scope), (role) => this.#serve(role))
    return Effect.suspend(() => {
      const fiber = Effect.runForkWith(this.#services)(inside)
      this.#starting = fiber
      fiber.addObserver(() => {
        this.#starting = undefined
      })
      return Fiber.join(fiber)
    }).pipe(Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : this.stop)))
  }

  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    const process = this.#process
    if (!process.alive) return Effect.void
    return Effect.andThen(
      this.#closeScope(Exit.void),
      Effect.sync(() => {
        if (!process.alive) return
        process.alive = false
        this.#machine.networkFaults.endProcess(process.host)
      })
    )
  })

  readonly kill: Effect.Effect<void> = Effect.sync(() => {
    const process = this.#process
    if (!process.alive) return
    process.alive = false
    this.#machine.networkFaults.killProcess(process.host)
    this.#machine.disk.crash()
    this.#starting?.interruptUnsafe()
    Effect.runForkWith(this.#services)(Scope.close(this.#scope, Exit.interrupt()))
  })

  /** Opens the role's listeners in a scope that closes before the program's. */
  #serve(role: StartedRole): Effect.Effect<void, SimListenError> {
    return Effect.gen({ self: this }, function* () {
      const process = this.#process
      const scope = yield* Scope.fork(this.#scope)
      for (const listener of role.listeners) {
        const { app, listen, name } = listener
        const port = listenHttp({ process, context: this.#services, scope, app }, listen.port)
        if (port === undefined) {
          const message = `${name} listener ${process.name}:${listen.port}: the port is taken; choose another`
          return yield* new SimListenError({ message })
        }
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => {
            if (process.alive) process.host.listeners.delete(port)
          })
        )
      }
    })
  }

  #closeScope(exit: Exit.Exit<unknown>): Effect.Effect<void> {
    return Effect.suspend(() =>
      Fiber.join(Effect.runForkWith(this.#services)(Scope.close(this.#scope, exit)))
    )
  }
}
