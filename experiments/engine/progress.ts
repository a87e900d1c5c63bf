// Progress of a long run: one line on a terminal, rewritten at most ten times per second, with an estimate of the
// remaining time; nothing when the output is piped. It reads the wall clock only, never the clock of a simulation, and
// has no influence on the result.

/** Receives the progress of a run. */
export interface Progress {
  /** `done` is a fraction from 0 to 1; `note` a few words on what is happening. */
  readonly update: (done: number, note: string) => void
  /** Clears the line. */
  readonly finish: () => void
}

export const silentProgress: Progress = { update: () => {}, finish: () => {} }

/** The part of a terminal that a progress line needs; process.stderr is one. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

const barWidth = 24
const millisecondsBetweenLines = 100
const clearLine = "\r\u001b[2K"

const secondsText = (seconds: number): string =>
  seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`

/** Forwards an update when a tenth of a second has passed since the last one. `now` gives milliseconds of wall time. */
export const rarely = (now: () => number, update: Progress["update"]): Progress["update"] => {
  let told = Number.NEGATIVE_INFINITY
  return (done, note) => {
    const at = now()
    if (at - told < millisecondsBetweenLines) return
    told = at
    update(done, note)
  }
}

/** Shows progress on `stream`. `now` gives milliseconds of wall time. */
export const makeProgress = (stream: ProgressStream, now: () => number): Progress => {
  if (stream.isTTY !== true) return silentProgress
  const began = now()
  const show = (done: number, note: string): void => {
    const fraction = Math.min(1, Math.max(0, done))
    const filled = Math.round(fraction * barWidth)
    const rest =
      fraction > 0.02
        ? `, about ${secondsText(((now() - began) * (1 - fraction)) / fraction / 1000)} left`
        : ""
    const line = `${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${Math.floor(fraction * 100)} % ${note}${rest}`
    stream.write(clearLine + line.slice(0, (stream.columns || 80) - 1))
  }
  return { update: rarely(now, show), finish: () => stream.write(clearLine) }
}

/** Divides one progress into parts. Each part counts by its weight until it is finished. */
export const progressOfParts = (weights: ReadonlyArray<number>, whole: Progress): ReadonlyArray<Progress> => {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  let finished = 0
  return weights.map((weight) => {
    let reached = 0
    const reach = (fraction: number, note: string): void => {
      sum += (fraction - reached) * weight
      reached = fraction
      const what = weights.length === 1 ? note : `of ${weights.length} runs, ${finished} done`
      whole.update(total === 0 ? 1 : sum / total, what)
    }
    return {
      update: (fraction, note) => reach(Math.min(1, Math.max(0, fraction)), note),
      finish: () => {
        finished++
        reach(1, "done")
      }
    }
  })
}
