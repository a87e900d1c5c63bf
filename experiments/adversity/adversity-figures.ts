// Figures of hosts in trouble, compared with the links as they are: each kind of host has a bound of its own, so that a
// slow link excuses only its own host. A host that is faster than possible fails the run.
//
//   fast, there from the start   the counting bound of the fast survivors: hosts that left may have helped, and all
//                                hosts that ever uploaded are still at most S doubling, so it stays a lower bound
//   slow, there from the start   its floor: its bytes over its downlink, and one latency
//   came later                   the same floor, since it asked, or since a tracker was there to be asked
//
// Loss, cuts and absence take longer than these bounds; they excuse nothing except the absence of a tracker.

import type { Micros } from "../../src/protocol/kit/time.ts"
import { boundOf, floorOf } from "../flash-crowd/crowd-bound.ts"
import { type Times, timesAgainst } from "../report/result.ts"
import type { Adversity, AdversityOptions } from "./adversity-scenarios.ts"
import { crowdOf } from "./adversity-scenarios.ts"
import type { AdverseOutcome, HostStory } from "./adversity-watch.ts"

/** Figures of the hosts of a scenario. A kind without hosts has no times. */
export interface AdversityFigures {
  readonly fast: Times
  readonly slow?: Times
  readonly came?: Times
  /** The worst ratio of a host to its bound. */
  readonly worstRatio: number
  readonly survivors: number
  readonly left: number
  /** Hosts that left while they pulled. */
  readonly leftPulling: number
  readonly arrived: number
  /** Hosts in the zone that was cut off, with those that left. */
  readonly cut: number
  readonly failedPulls: number
}

const tolerance = 1e-6

/** Seconds from the instant at which the host could begin until it was done; undefined when it left. */
const tookOf = ({ askedAt, doneAt, leftAt }: HostStory, begin: Micros): number | undefined =>
  leftAt !== undefined || doneAt === undefined ? undefined : (doneAt - Math.max(askedAt, begin)) / 1e6

const defined = (values: ReadonlyArray<number | undefined>): ReadonlyArray<number> =>
  values.filter((value) => value !== undefined)

/** The figures, or why they are not credible. */
export const figuresOf = (
  options: AdversityOptions,
  adversity: Adversity,
  seed: number,
  outcome: AdverseOutcome
): AdversityFigures | string => {
  const spec = crowdOf(options, adversity, seed)
  const { trackersAway } = adversity
  const slowFrom = options.agents - (adversity.slow?.agents ?? 0)
  const initial = outcome.hosts.slice(0, options.agents)
  const arrived = outcome.hosts.slice(options.agents)
  const fast = defined(initial.slice(0, slowFrom).map((host) => tookOf(host, 0)))
  const slow = defined(initial.slice(slowFrom).map((host) => tookOf(host, 0)))
  const came = defined(
    arrived.map((host) => {
      const away = trackersAway !== undefined && host.askedAt >= trackersAway.from
      return tookOf(host, away ? trackersAway.until : 0)
    })
  )
  if (fast.length === 0) return "no fast host is left: choose a lower churn or a shorter run"

  const { slow: _, ...equalLinks } = spec.links
  const bound = boundOf({ ...spec, links: equalLinks, agents: fast.length }).seconds
  const fastFloor = floorOf(spec, 0, spec.blobs)
  const slowFloor = floorOf(spec, options.agents - 1, spec.blobs)
  const cameFloor = options.size / options.rate + options.latency / 1e6
  const early =
    tooEarly("a fast host", fast, fastFloor) ??
    tooEarly("a slow host", slow, slowFloor) ??
    tooEarly("a host that came", came, cameFloor)
  if (early !== undefined) return early
  const last = Math.max(...fast)
  if (last < bound - tolerance) {
    return `the last fast survivor completed after ${last} s, before the counting bound of ${bound} s`
  }
  const times = {
    fast: timesAgainst(bound, fast),
    ...(slow.length === 0 ? {} : { slow: timesAgainst(slowFloor, slow) }),
    ...(came.length === 0 ? {} : { came: timesAgainst(cameFloor, came) })
  }
  const gone = outcome.hosts.filter(({ leftAt }) => leftAt !== undefined)
  return {
    ...times,
    worstRatio: Math.max(...Object.values(times).map(({ ratio }) => ratio.max)),
    survivors: outcome.hosts.length - gone.length,
    left: gone.length,
    leftPulling: gone.filter(({ doneAt }) => doneAt === undefined).length,
    arrived: arrived.length,
    cut: adversity.zoneCut?.agents ?? 0,
    failedPulls: outcome.hosts.reduce(
      (sum, { failedPulls, leftAt }) => sum + (leftAt === undefined ? failedPulls : 0),
      0
    )
  }
}

const tooEarly = (who: string, completions: ReadonlyArray<number>, floor: number): string | undefined => {
  const early = completions.find((at) => at < floor - tolerance)
  return early === undefined ? undefined : `${who} completed after ${early} s, before its floor of ${floor} s`
}
