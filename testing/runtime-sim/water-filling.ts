// Max-min fair rates by progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2), to check the simulator's
// rates: all rates rise together; when a link is full, the flows on it keep their rate; and so on. Also the
// completion times that follow when rates are filled again at every start and end. Shares nothing with
// fair-shares.ts. For tests only.

export interface FilledFlow {
  /** Numbers of the links that it crosses, each once. */
  readonly links: ReadonlyArray<number>
}

/** The rates of the flows over links of these capacities, in the same unit. */
export const waterFilling = (
  capacities: ReadonlyArray<number>,
  flows: ReadonlyArray<FilledFlow>
): ReadonlyArray<number> => {
  const rates = flows.map(() => 0)
  const rising = new Set(flows.keys())
  const left = [...capacities]
  while (rising.size > 0) {
    const crowd = capacities.map(() => 0)
    for (const flow of rising) for (const link of flows[flow]!.links) crowd[link]!++
    let least = Number.POSITIVE_INFINITY
    let tightest = -1
    for (const [link, count] of crowd.entries()) {
      if (count > 0 && left[link]! / count < least) {
        least = left[link]! / count
        tightest = link
      }
    }
    for (const flow of [...rising]) {
      if (!flows[flow]!.links.includes(tightest)) continue
      rates[flow] = least
      rising.delete(flow)
      for (const link of flows[flow]!.links) left[link]! -= least
    }
  }
  return rates
}

export interface FluidTransfer extends FilledFlow {
  readonly at: number
  readonly size: number
}

/** The completion time of each transfer, when rates are filled again whenever one begins or ends. */
export const fluidEnds = (
  capacities: ReadonlyArray<number>,
  transfers: ReadonlyArray<FluidTransfer>
): ReadonlyArray<number> => {
  const ends = transfers.map(() => 0)
  const starts = [...transfers.keys()].sort((a, b) => transfers[a]!.at - transfers[b]!.at)
  const under: Array<{ readonly transfer: number; left: number }> = []
  let now = 0
  while (starts.length > 0 || under.length > 0) {
    const rates = waterFilling(
      capacities,
      under.map(({ transfer }) => transfers[transfer]!)
    )
    const spans = under.map(({ left }, index) => left / rates[index]!)
    const ending = spans.indexOf(Math.min(...spans))
    const next = starts[0] === undefined ? Number.POSITIVE_INFINITY : transfers[starts[0]]!.at
    const isEnd = ending >= 0 && now + spans[ending]! <= next
    const span = isEnd ? spans[ending]! : next - now
    for (const [index, flow] of under.entries()) flow.left -= rates[index]! * span
    now += span
    if (isEnd) ends[under.splice(ending, 1)[0]!.transfer] = now
    else under.push({ transfer: starts[0]!, left: transfers[starts.shift()!]!.size })
  }
  return ends
}
