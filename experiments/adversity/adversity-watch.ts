// Runs a flash crowd while things go wrong, and records of every host when it was asked, when it had the blob, and when
// it left. A pull that fails is repeated a second later, as a container runtime does; hosts get no other help. The run
// ends when all hosts that did not leave have the blob.
//
//   host:  asked --pull ends well--> done
//            |  ^--failed, 1 s-+
//            +--switched off--> left          (done hosts may leave as well)

import { Deferred, Duration, Effect, Fiber } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { Torrent } from "../../src/protocol/wire/metainfo.ts"
import type { Agent } from "../../src/roles/agent/agent.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import type { SimHost } from "../../src/runtime-sim/host/host.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { type CrowdStuck, runInSlices } from "../flash-crowd/run-in-slices.ts"
import { makeCluster, type RunningCluster, type SimulatedCluster } from "../flash-crowd/simulated-cluster.ts"
import type { Adversity, Span } from "./adversity-scenarios.ts"

/** Instants since the initial hosts were asked. */
export interface HostStory {
  readonly askedAt: Micros
  /** Absent when it left before. */
  readonly doneAt?: Micros
  readonly leftAt?: Micros
  /** Pulls that failed and were repeated. */
  readonly failedPulls: number
}

export interface AdverseOutcome {
  readonly traceHash: string
  readonly events: number
  /** The initial hosts in their order, then the others in the order in which they came. */
  readonly hosts: ReadonlyArray<HostStory>
  /** Bytes on the wire. */
  readonly bytesSent: number
  /** Bytes on the wire that were lost. */
  readonly bytesLost: number
}

interface WatchedHost {
  readonly host: SimHost<Agent>
  readonly askedAt: Micros
  doneAt?: Micros
  leftAt?: Micros
  failedPulls: number
  readonly gone: Deferred.Deferred<void>
}

const namespace = "experiment"
const pauseBeforeNextPull = Duration.seconds(1)
/** Number of looks at the world in the time of the bound: enough for a line of progress. */
const looksInBound = 50

const until = (micros: Micros): Effect.Effect<void> => Effect.sleep(Duration.millis(micros / 1_000))

export const watchAdversity = (
  spec: FlashCrowd,
  adversity: Adversity,
  progress: Progress
): Effect.Effect<AdverseOutcome, HostProgramError | CrowdStuck> =>
  Effect.gen(function* () {
    const loss = adversity.loss === undefined ? {} : { loss: { probability: adversity.loss } }
    const cluster = makeCluster({ ...spec, world: loss })
    const { simulation } = cluster
    const { kernel } = simulation
    const torrent = cluster.preload(spec.blobs[0])
    const running = yield* simulation.runExit(cluster.start((program) => program))
    const world = new AdverseWorld(cluster, running, torrent, kernel.now)
    const look = (): void => {
      const done = world.hosts.filter(({ doneAt }) => doneAt !== undefined).length
      const best = boundOf(spec).seconds * 1e6
      const share = Math.max(
        done / world.hosts.length,
        Math.min(0.9, (kernel.now - world.began) / (2 * best))
      )
      progress.update(share, `${done} of ${world.hosts.length} hosts have the blob`)
    }
    yield* runInSlices(simulation, world.run(adversity), {
      every: () => Math.ceil((boundOf(spec).seconds * 1e6) / looksInBound),
      look,
      patience: spec.patience,
      missing: () => {
        const missing = world.hosts.filter(
          ({ doneAt, leftAt }) => doneAt === undefined && leftAt === undefined
        )
        return `${missing.length} of ${world.hosts.length} hosts still pull (${missing[0]?.host.name} is one)`
      }
    })
    const { bytesSent, bytesLost, events } = simulation.stats()
    return {
      traceHash: simulation.traceHash(),
      events,
      bytesSent,
      bytesLost,
      hosts: world.hosts.map(({ askedAt, doneAt, leftAt, failedPulls }) => ({
        askedAt,
        failedPulls,
        ...(doneAt === undefined ? {} : { doneAt }),
        ...(leftAt === undefined ? {} : { leftAt })
      }))
    }
  })

class AdverseWorld {
  readonly hosts: Array<WatchedHost> = []
  readonly began: Micros
  readonly #cluster: SimulatedCluster
  readonly #running: RunningCluster
  readonly #torrent: Torrent

  constructor(cluster: SimulatedCluster, running: RunningCluster, torrent: Torrent, began: Micros) {
    this.#cluster = cluster
    this.#running = running
    this.#torrent = torrent
    this.began = began
  }

  /** Asks all hosts, lets things go wrong, and ends when all hosts that are still there have the blob. */
  run(adversity: Adversity): Effect.Effect<void, HostProgramError> {
    return Effect.gen({ self: this }, function* () {
      const initial = yield* Effect.forEach(this.#running.agents, (host) =>
        Effect.forkChild(this.#pull(this.#watch(host)))
      )
      const came: Array<Fiber.Fiber<void, HostProgramError>> = []
      const trouble = yield* Effect.forkChild(this.#trouble(adversity))
      const churn = yield* Effect.forkChild(this.#churn(adversity, came))
      yield* Fiber.joinAll(initial)
      // Hosts leave and come while one of the first still pulls.
      yield* Fiber.interrupt(churn)
      yield* Fiber.joinAll(came)
      yield* Fiber.join(trouble)
    })
  }

  get #now(): Micros {
    return this.#cluster.simulation.kernel.now - this.began
  }

  #watch(host: SimHost<Agent>): WatchedHost {
    const watched = { host, askedAt: this.#now, failedPulls: 0, gone: Deferred.makeUnsafe<void>() }
    this.hosts.push(watched)
    return watched
  }

  #pull(watched: WatchedHost): Effect.Effect<void> {
    const { digest } = this.#torrent.metainfo
    const once = watched.host.role.pull(namespace, digest)
    const untilDone = Effect.gen({ self: this }, function* () {
      while ((yield* Effect.exit(once))._tag === "Failure") {
        watched.failedPulls++
        yield* Effect.sleep(pauseBeforeNextPull)
      }
      watched.doneAt = this.#now
    })
    return Effect.raceFirst(untilDone, Deferred.await(watched.gone))
  }

  /** All events that happen once. */
  #trouble({ originGone, trackersAway, zoneCut }: Adversity): Effect.Effect<void, HostProgramError> {
    const { trackers, origins } = this.#running
    const [firstOrigin] = origins
    const { networkFaults, machine, network } = this.#cluster.simulation
    const during = (
      span: Span | undefined,
      begin: Effect.Effect<void>,
      end: Effect.Effect<void, HostProgramError>
    ) =>
      span === undefined
        ? Effect.void
        : Effect.andThen(
            Effect.andThen(until(span.from), begin),
            Effect.andThen(until(span.until - span.from), end)
          )
    const cut = Effect.sync(() => {
      const zone = new Set(
        this.#running.agents.slice(0, zoneCut?.agents ?? 0).map(({ name }) => machine(name).host)
      )
      // The zone is the part that is not listed: hosts that come meanwhile belong to the others.
      networkFaults.partition([network.hosts.filter((host) => !zone.has(host))])
    })
    return Effect.all(
      [
        originGone === undefined || firstOrigin === undefined
          ? Effect.void
          : Effect.andThen(until(originGone), this.#switchOff(firstOrigin)),
        during(
          trackersAway,
          Effect.forEach(trackers, ({ kill }) => kill, { discard: true }),
          Effect.forEach(trackers, (_, tracker) => this.#cluster.startTracker(tracker), { discard: true })
        ),
        during(
          zoneCut,
          cut,
          Effect.sync(() => networkFaults.healAll())
        )
      ],
      { concurrency: "unbounded", discard: true }
    )
  }

  /** Again and again, a host leaves and another one comes. */
  #churn(
    { leaveEvery }: Adversity,
    came: Array<Fiber.Fiber<void, HostProgramError>>
  ): Effect.Effect<void, HostProgramError> {
    if (leaveEvery === undefined) return Effect.void
    const random = this.#cluster.simulation.kernel.stream("adversity/churn")
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        yield* until(leaveEvery)
        const present = this.hosts.filter(({ leftAt }) => leftAt === undefined)
        const leaver = present[random.nextInt(present.length)]
        invariant(leaver !== undefined, "adversity: every host has left")
        leaver.leftAt = this.#now
        yield* this.#switchOff(leaver.host)
        Deferred.doneUnsafe(leaver.gone, Effect.void)
        const host = yield* this.#cluster.startAgent(this.hosts.length, (program) => program)
        came.push(yield* Effect.forkDetach(this.#pull(this.#watch(host))))
      }
    })
  }

  /** The machine goes silent for good: no peer gets a message. */
  #switchOff({ name, kill }: SimHost): Effect.Effect<void> {
    const { networkFaults, machine } = this.#cluster.simulation
    return Effect.andThen(
      Effect.sync(() => networkFaults.powerOff(machine(name).host)),
      kill
    )
  }
}
