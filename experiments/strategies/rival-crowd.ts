// Runs a flash crowd of a rival: a simulation as specified, one machine per host, all started at the same instant or
// spread over a time. The times of an agent are since its own start.
// Links, latency, disks and hashing cost what they cost the shipped roles. A run whose outcome is not credible fails.

import { Effect } from "effect"
import { makeSimulation, type SimulationOptions } from "../../src/runtime-sim/simulation.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import { doubtOf } from "../flash-crowd/crowd-checks.ts"
import { type CrowdOutcome, type FlashCrowd, lineRate, rateOf } from "../flash-crowd/flash-crowd.ts"
import { LinkUseWatch } from "../flash-crowd/link-use.ts"
import { runInSlices } from "../flash-crowd/run-in-slices.ts"
import { CrowdTally } from "./crowd-tally.ts"
import { type Cast, castOf, type Image, imageOf } from "./image.ts"
import type { RivalIo, RivalMachine } from "./rival.ts"
import { RivalHost, type RivalWorld } from "./rival-host.ts"
import { StrategyFailed } from "./strategy.ts"

/** The image and the hosts of a flash crowd. */
export interface Stage {
  readonly image: Image
  readonly cast: Cast
}

export interface Rival {
  readonly strategy: string
  /** Number of hosts besides agents and origins. */
  readonly helpers: number
  /** Makes the machine of each host. Called once per host, in the order of their numbers. */
  readonly machines: (stage: Stage) => (io: RivalIo) => RivalMachine
  /** Counts of the machines by name, read at the end. */
  readonly counts: Readonly<Record<string, number>>
}

/** Parts of the simulated world that differ from the defaults. */
export type RivalWorldOptions = Omit<
  SimulationOptions,
  "seed" | "uplink" | "downlink" | "latency" | "linkModel"
>

/** Number of samples in the time of the bound: enough for a smooth chart. */
const samplesInBound = 100

/** Runs one flash crowd. Equal specs and rivals give equal outcomes. */
export const runRival = (
  spec: FlashCrowd,
  rival: Rival,
  progress: Progress,
  worldOptions: RivalWorldOptions = {}
): Effect.Effect<CrowdOutcome, StrategyFailed> =>
  Effect.gen(function* () {
    const { links, agents, spread = 0 } = spec
    const line = lineRate(links, links.rate)
    const simulation = makeSimulation({
      ...worldOptions,
      seed: String(spec.seed),
      uplink: line,
      downlink: line,
      latency: links.latency,
      linkModel: links.model
    })
    const { kernel, connections } = simulation
    const starts = kernel.stream("starts")
    const image = imageOf(spec.blobs)
    const cast = castOf(spec, rival.helpers)
    const bound = boundOf(spec).seconds
    const tally = new CrowdTally(image, cast, Math.ceil((bound * 1e6) / samplesInBound))
    const names = Array.from({ length: agents + cast.origins + cast.helpers }, (_, host) => `host-${host}`)
    let allDone = (): void => {}
    const world: RivalWorld = {
      kernel,
      connections,
      image,
      tally,
      names,
      hasBuckets: links.burst > 0,
      done: () => allDone()
    }
    const makeMachine = rival.machines({ image, cast })
    const hosts = names.map((name, number) => {
      const rate = number < agents ? rateOf(spec, number) : links.rate
      const free = number >= agents && number < agents + cast.origins ? links.originRate : undefined
      const own = free ?? lineRate(links, rate)
      const machine = simulation.machine(name, { uplink: own, downlink: own })
      return new RivalHost(
        world,
        number,
        machine,
        links.burst === 0 || free !== undefined ? undefined : { rate, burst: links.burst }
      )
    })
    for (const host of hosts) host.machine = makeMachine(host)

    const linkUse = new LinkUseWatch(
      agents,
      (agent) => lineRate(links, rateOf(spec, agent)),
      (agent) => simulation.network.use(hosts[agent]!.place)
    )
    tally.agentDone = (agent, took) => linkUse.completed(agent, took)
    const pulls = Effect.callback<void>((resume) => {
      allDone = () => resume(Effect.void)
      // Origins and helpers start first, so that agents find them.
      for (const { machine } of hosts.slice(agents).reverse()) machine.started()
      for (const host of hosts.slice(0, agents)) {
        if (spread === 0) host.machine.started()
        else host.startAt(kernel.now + starts.nextInt(spread + 1))
      }
    })
    const wanted = image.sizes.reduce((sum, size) => sum + size, 0) * agents
    yield* runInSlices(simulation, pulls, {
      every: () => tally.sampleEvery,
      look: () => {
        tally.sample(kernel.now)
        progress.update(tally.storedBytes / wanted, `of what ${agents} agents want has arrived`)
      },
      patience: spec.patience,
      missing: () => `${tally.missing} of ${agents} agents do not have the image`
    })

    const stats = simulation.stats()
    const outcome: CrowdOutcome = {
      traceHash: simulation.traceHash(),
      events: stats.events,
      completions: tally.completions,
      blobCompletions: tally.blobCompletions,
      samples: tally.samples,
      allOutside: tally.allOutside,
      pieceTransfers: tally.pieceTransfers,
      bytesFromOrigins: tally.bytesFromOrigins,
      bytesFromAgents: tally.bytesFromAgents,
      bytesSent: stats.bytesSent,
      linkUse: linkUse.summary(),
      counts: { ...rival.counts }
    }
    const doubt = doubtOf(spec, outcome)
    if (doubt !== undefined) return yield* failed(rival, doubt)
    return outcome
  }).pipe(
    Effect.catchTag("CrowdStuck", ({ message }) => failed(rival, message)),
    Effect.catchDefect((defect) => failed(rival, String(defect)))
  )

const failed = ({ strategy }: Rival, message: string): Effect.Effect<never, StrategyFailed> =>
  Effect.fail(new StrategyFailed({ strategy, message: `${strategy}: ${message}` }))
