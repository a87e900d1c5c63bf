// What the runs of several images come to: medians over the seeds, the run of each seed in a row, and blobs by how many
// hosts want them. Pure.

import { invariant } from "../../src/protocol/kit/invariant.ts"
import { type CrowdLinkUse, linkUseFigures, type ShareSpread } from "../flash-crowd/link-use.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import type { Figure, Table } from "../report/result.ts"
import type { ImagesOutcome } from "./several-images-run.ts"

/** The aim: the last host is done within this multiple of the bound. */
export const makespanAim = 1.15

const makespanOf = ({ completions }: ImagesOutcome): number => quantile(completions, 1000)

const median = (values: ReadonlyArray<number>): number => quantile(ascending(values), 500)

const figure = (value: number, unit: string, meaning: string): Figure => ({ value, unit, meaning })

const medianShares = (shares: ReadonlyArray<ShareSpread>): ShareSpread => ({
  p10: median(shares.map(({ p10 }) => p10)),
  p50: median(shares.map(({ p50 }) => p50)),
  p90: median(shares.map(({ p90 }) => p90))
})

const medianUse = (uses: ReadonlyArray<CrowdLinkUse>): CrowdLinkUse => {
  const of = (link: keyof CrowdLinkUse) => ({
    busy: medianShares(uses.map((use) => use[link].busy)),
    carried: medianShares(uses.map((use) => use[link].carried))
  })
  return { uplink: of("uplink"), downlink: of("downlink") }
}

export const figuresOf = (outcomes: ReadonlyArray<ImagesOutcome>): Readonly<Record<string, Figure>> => {
  const over = (of: (outcome: ImagesOutcome) => number): number => median(outcomes.map(of))
  const ratios = ascending(outcomes.map((outcome) => makespanOf(outcome) / outcome.bound))
  return {
    makespan: figure(
      quantile(ratios, 500),
      "",
      `Time of the last host over the bound; the aim is ${makespanAim}.`
    ),
    makespan_worst: figure(quantile(ratios, 1000), "", "The same of the worst seed."),
    hosts_floor: figure(
      over((outcome) => outcome.hostsFloor),
      "s",
      "Bytes of the host that wants most, over its downlink."
    ),
    origins_floor: figure(
      over((outcome) => outcome.originsFloor),
      "s",
      "Time in which the origins can send every blob once."
    ),
    own_floor_p50: figure(
      over(({ overFloors }) => quantile(overFloors, 500)),
      "",
      "Time of a host over the floor of its own downlink, median host."
    ),
    own_floor_max: figure(
      over(({ overFloors }) => quantile(overFloors, 1000)),
      "",
      "The same of the host that is furthest from its floor."
    ),
    all_outside: figure(
      over(({ allOutside, bound }) => allOutside / bound),
      "",
      "Until every piece was stored by at least one host, over the bound."
    ),
    copies_until_outside: figure(
      over(({ copiesUntilOutside }) => copiesUntilOutside),
      "copies",
      "Copies that origins had sent by then; 1 is the least."
    ),
    copies: figure(
      over(({ copies }) => copies),
      "copies",
      "Copies that origins sent in all."
    ),
    share_from_agents: figure(
      over(({ shareFromAgents }) => shareFromAgents),
      "",
      "Share of the received piece bytes that came from agents."
    ),
    rejects_per_piece: figure(
      over(({ rejectsPerPiece }) => rejectsPerPiece),
      "",
      "Requests refused by a busy uploader, for each piece stored."
    ),
    duplicates_per_piece: figure(
      over(({ duplicatesPerPiece }) => duplicatesPerPiece),
      "",
      "Pieces that came twice, for each piece stored."
    ),
    ...linkUseFigures(medianUse(outcomes.map(({ linkUse }) => linkUse))),
    origin_uplink_busy_p50: figure(
      over(({ originLinkUse }) => originLinkUse.uplink.busy.p50),
      "",
      "Share of the time until the last host was done in which pieces were on the uplink of the median origin."
    ),
    origin_uplink_carried_p50: figure(
      over(({ originLinkUse }) => originLinkUse.uplink.carried.p50),
      "",
      "Bytes that this uplink carried by then, as a share of what it could have carried."
    )
  }
}

export const seedsTable = (seeds: ReadonlyArray<number>, outcomes: ReadonlyArray<ImagesOutcome>): Table => ({
  title: "Every seed",
  caption:
    "Each seed draws a catalogue of its own. The bound is the larger of the floors of hosts and origins. The last " +
    "columns are of single hosts, each over the floor of its own downlink.",
  columns: [
    "seed",
    "floor of hosts s",
    "floor of origins s",
    "last host s",
    "over the bound",
    "median host over its floor",
    "worst host over its floor",
    "copies from origins",
    "rejects a piece"
  ],
  rows: outcomes.map((outcome, index) => {
    const seed = seeds[index]
    invariant(seed !== undefined, "several-images: an outcome has a seed")
    return [
      seed,
      outcome.hostsFloor.toFixed(3),
      outcome.originsFloor.toFixed(3),
      makespanOf(outcome).toFixed(3),
      (makespanOf(outcome) / outcome.bound).toFixed(3),
      quantile(outcome.overFloors, 500).toFixed(3),
      quantile(outcome.overFloors, 1000).toFixed(3),
      outcome.copies.toFixed(2),
      outcome.rejectsPerPiece.toFixed(2)
    ]
  })
})

/** Classes of blobs by the share of the hosts that want them. */
const classes: ReadonlyArray<readonly [name: string, belongs: (wanters: number, agents: number) => boolean]> =
  [
    ["nine hosts of ten or more", (wanters, agents) => wanters >= 0.9 * agents],
    ["half of the hosts or more", (wanters, agents) => wanters >= 0.5 * agents],
    ["a tenth or more", (wanters, agents) => wanters >= 0.1 * agents],
    ["fewer, but more than three", (wanters) => wanters > 3],
    ["two or three hosts", (wanters) => wanters > 1],
    ["one host", () => true]
  ]

export const popularityTable = (agents: number, outcomes: ReadonlyArray<ImagesOutcome>): Table => {
  const all = outcomes.flatMap(({ blobs, bound }) =>
    blobs.map((blob) => ({ ...blob, ratio: blob.last / bound }))
  )
  const wantedBytes = all.reduce((sum, { bytes, wanters }) => sum + bytes * wanters, 0)
  const storedBytes = all.reduce((sum, { bytes }) => sum + bytes, 0)
  const classOf = (wanters: number): string => classes.find(([, belongs]) => belongs(wanters, agents))![0]
  return {
    title: "Blobs by the hosts that want them",
    caption:
      "All seeds together. The last columns are when the last of the hosts that want a blob had it, over the bound " +
      "of the seed: the median blob and the last one.",
    columns: ["wanted by", "blobs", "of the bytes at origins", "of the bytes to hosts", "median", "last"],
    rows: classes.flatMap(([name]) => {
      const own = all.filter(({ wanters }) => classOf(wanters) === name)
      if (own.length === 0) return []
      const ratios = ascending(own.map(({ ratio }) => ratio))
      const share = (bytes: number, of: number): string => `${((100 * bytes) / of).toFixed(1)} %`
      return [
        [
          name,
          own.length,
          share(
            own.reduce((sum, { bytes }) => sum + bytes, 0),
            storedBytes
          ),
          share(
            own.reduce((sum, { bytes, wanters }) => sum + bytes * wanters, 0),
            wantedBytes
          ),
          quantile(ratios, 500).toFixed(3),
          quantile(ratios, 1000).toFixed(3)
        ]
      ]
    })
  }
}
