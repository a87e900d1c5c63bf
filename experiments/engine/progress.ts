// Progress of a long run: one line on a terminal, rewritten at most ten times per second, with an estimate of the
// remaining time; a plain line at most every 15 s when the output is piped. It reads the wall clock only, never the
// clock of a simulation, and has no influence on the result.

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
/** Where lines stay, as in a log. */
const millisecondsBetweenPlainLines = 15_000
const clearLine = "\r\u001b[2K"

const secondsText = (seconds: number): string => {
  const whole = Math.ceil(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** Forwards an update when enough time has passed since the last one. `now` gives milliseconds of wall time. */
export const rarely = (
  now: () => number,
  update: Progress["update"],
  { between = millisecondsBetweenLines, since = Number.NEGATIVE_INFINITY } = {}
): Progress["update"] => {
  let told = since
  return (done, note) => {
    const at = now()
    if (at - told < between) return
    told = at
    update(done, note)
  }
}

const within = (fraction: number): number => Math.min(1, Math.max(0, fraction))

/** Lines for a log. The first comes when a run has lasted long enough that somebody may wonder. */
const plainProgress = (stream: ProgressStream, now: () => number): Progress => {
  const began = now()
  const show = (done: number, note: string): void => {
    const percent = Math.floor(within(done) * 100)
    stream.write(`${note}, ${percent} % of the work, ${secondsText((now() - began) / 1000)}\n`)
  }
  return {
    update: rarely(now, show, { between: millisecondsBetweenPlainLines, since: began }),
    finish: () => {}
  }
}

/** Shows progress on `stream`. `now` gives milliseconds of wall time. */
export const makeProgress = (stream: ProgressStream, now: () => number): Progress => {
  if (stream.isTTY !== true) return plainProgress(stream, now)
  const began = now()
  const show = (done: number, note: string): void => {
    const fraction = within(done)
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
      const what = weights.length === 1 ? note : `${finished} of ${weights.length} runs done`
      whole.update(total === 0 ? 1 : sum / total, what)
    }
    return {
      update: (fraction, note) => reach(within(fraction), note),
      finish: () => {
        finished++
        reach(1, "done")
      }
    }
  })
}
