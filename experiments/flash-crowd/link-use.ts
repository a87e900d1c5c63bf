// How much the agents of a flash crowd used their access links while they had something to fetch: for each agent the
// share of its own time, from when it was asked until it had everything, in which bulk was on its uplink and on its
// downlink, and the bytes that these carried over what they could have carried. It reads the accounts of the network
// once at the start and once for each agent, so that it costs nothing an event.
//
// Invariant: no share is above 1, and no link carried more than it could in the time in which it was busy.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { HostUse } from "../../src/runtime-sim/network/links.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import type { Figure } from "../report/result.ts"

/** Quantiles over the agents. */
export interface ShareSpread {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

interface LinkShares {
  /** Share of the time in which bulk was on the link, at whatever rate. */
  readonly busy: ShareSpread
  /** Bytes that it carried, as a share of what it could have carried. */
  readonly carried: ShareSpread
}

/** The use of the links of all agents. */
export interface CrowdLinkUse {
  readonly uplink: LinkShares
  readonly downlink: LinkShares
}

/** Shares beyond 1 that rounded instants explain: a microsecond at either end of a short time. */
const rounding = 1e-3

type Link = keyof HostUse
const links = ["uplink", "downlink"] as const satisfies ReadonlyArray<Link>

interface Share {
  readonly busy: number
  readonly carried: number
}

export class LinkUseWatch {
  readonly #rateOf: (agent: number) => number
  readonly #useOf: (agent: number) => HostUse
  readonly #before: ReadonlyArray<HostUse>
  readonly #shares: Array<Readonly<Record<Link, Share>>>

  /**
   * Made when the first agent is asked. `rateOf` is in bytes per second, each way, and `useOf` asks the network about
   * the links of an agent.
   */
  constructor(agents: number, rateOf: (agent: number) => number, useOf: (agent: number) => HostUse) {
    this.#rateOf = rateOf
    this.#useOf = useOf
    this.#before = Array.from({ length: agents }, (_, agent) => useOf(agent))
    this.#shares = new Array(agents)
  }

  /** The agent has everything that it wants now, `took` after it was asked. */
  completed(agent: number, took: Micros): void {
    const [before, now] = [this.#before[agent], this.#useOf(agent)]
    invariant(before !== undefined && took > 0, "link use: an agent takes time")
    const capacity = (took / 1e6) * this.#rateOf(agent)
    const of = (link: Link): Share => {
      const busy = (now[link].busy - before[link].busy) / took
      const carried = (now[link].bytes - before[link].bytes) / capacity
      invariant(
        busy <= 1 + rounding && carried <= busy + rounding,
        `link use: agent ${agent + 1} used its ${link} for ${busy} of its time, and ${carried} of what it can carry`
      )
      return { busy, carried }
    }
    this.#shares[agent] = { uplink: of("uplink"), downlink: of("downlink") }
  }

  /** The use by all agents, which have completed. */
  summary(): CrowdLinkUse {
    const spread = (of: (shares: Readonly<Record<Link, Share>>) => number): ShareSpread => {
      const sorted = ascending(this.#shares.map(of))
      return { p10: quantile(sorted, 100), p50: quantile(sorted, 500), p90: quantile(sorted, 900) }
    }
    const sharesOf = (link: Link): LinkShares => ({
      busy: spread((shares) => shares[link].busy),
      carried: spread((shares) => shares[link].carried)
    })
    return { uplink: sharesOf("uplink"), downlink: sharesOf("downlink") }
  }
}

const quantiles = [
  ["p10", "the agent at the tenth percentile"],
  ["p50", "the median agent"],
  ["p90", "the agent at the ninetieth percentile"]
] as const

/** Figures of the use of links, by names that begin with the link. */
export const linkUseFigures = (use: CrowdLinkUse): Readonly<Record<string, Figure>> =>
  Object.fromEntries(
    links.flatMap((link) =>
      (["busy", "carried"] as const).flatMap((what) =>
        quantiles.map(([key, who]) => [
          `${link}_${what}_${key}`,
          {
            value: use[link][what][key],
            unit: "",
            meaning:
              what === "busy"
                ? `Share of the time until it was done in which pieces were on the ${link} of ${who}.`
                : `Bytes that the ${link} of ${who} carried until it was done, as a share of what it could have carried.`
          }
        ])
      )
    )
  )

/** A spread as tables show it: "0.91 / 0.96 / 0.98". */
export const spreadText = ({ p10, p50, p90 }: ShareSpread): string =>
  [p10, p50, p90].map((share) => share.toFixed(2)).join(" / ")
