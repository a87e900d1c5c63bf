// Reference for the max-min fair rates of the simulator: progressive filling (Bertsekas and Gallager, Data Networks,
// 6.5.2). All rates rise together until a link is full; the flows of that link keep their rates while the others rise
// further. It also gives the completion times that follow when rates are computed again at every start and end. It
// shares no code with fair-shares.ts.

export interface FilledFlow {
  /** Distinct numbers of the links that the flow crosses. */
  readonly links: ReadonlyArray<number>
}

/** The rates of the flows over links of these capacities, in the same unit. */
export const waterFilling = (
  capacities: ReadonlyArray<number>,
  flows: ReadonlyArray<FilledFlow>
): ReadonlyArray<number> => {
  const filled = flows.map(({ links }) => ({ links, rate: 0, isRising: true }))
  const links = capacities.map((left, number) => ({ number, left }))
  for (;;) {
    const rising = filled.filter(({ isRising }) => isRising)
    if (rising.length === 0) return filled.map(({ rate }) => rate)
    let least = Number.POSITIVE_INFINITY
    let tightest = -1
    for (const { number, left } of links) {
      const count = rising.filter((flow) => flow.links.includes(number)).length
      if (count > 0 && left / count < least) {
        least = left / count
        tightest = number
      }
    }
    for (const flow of rising) {
      if (!flow.links.includes(tightest)) continue
      flow.rate = least
      flow.isRising = false
      for (const link of links) if (flow.links.includes(link.number)) link.left -= least
    }
  }
}

export interface FluidTransfer extends FilledFlow {
  readonly at: number
  readonly size: number
}

/** When each transfer ends, if rates are computed again whenever one begins or ends. */
export const fluidEnds = (
  capacities: ReadonlyArray<number>,
  transfers: ReadonlyArray<FluidTransfer>
): ReadonlyArray<number> => {
  const all = transfers.map((transfer) => ({ ...transfer, left: transfer.size, end: 0 }))
  const starts = all.toSorted((a, b) => a.at - b.at)
  const running: typeof all = []
  let now = 0
  for (;;) {
    const rates = waterFilling(capacities, running)
    const flows = running.map((flow, index) => ({ flow, rate: rates[index] ?? 0 }))
    const spans = flows.map(({ flow, rate }) => flow.left / rate)
    const shortest = Math.min(...spans)
    const [next] = starts
    const isEnd = next === undefined || now + shortest <= next.at
    if (next === undefined && running.length === 0) return all.map(({ end }) => end)
    const span = isEnd ? shortest : next.at - now
    for (const { flow, rate } of flows) flow.left -= rate * span
    now += span
    if (isEnd) for (const flow of running.splice(spans.indexOf(shortest), 1)) flow.end = now
    else running.push(...starts.splice(0, 1))
  }
}
