// Keeps measurements in measured.json, under a name: an earlier one of that name is replaced, all others stay as they
// are. It adds what tells a reader where the numbers come from: the commit, the machine and the date.

import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus, release, totalmem } from "node:os"
import { Console, Effect } from "effect"
import {
  type MeasuredFile,
  type Measurement,
  measuredFileOf,
  measuredText,
  type ShapedMeasurement
} from "../../experiments/sim-versus-net/measured.ts"
import { CliFailure } from "./cli-failure.ts"

/** The content of the file; undefined when there is no file. */
const readFile = (file: string): Effect.Effect<MeasuredFile | undefined, CliFailure> =>
  Effect.try({
    try: () => (existsSync(file) ? measuredFileOf(readFileSync(file, "utf8")) : undefined),
    catch: (error) =>
      new CliFailure({
        message: `${file}: ${error instanceof Error ? error.message.split("\n", 1)[0] : error}`
      })
  })

/** The commit that is checked out, marked when files differ from it; "unknown" outside a clone. */
const sources = (): string => {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: import.meta.dirname,
      encoding: "utf8"
    }).trim()
  } catch {
    return "unknown"
  }
}

const kernel = (): string => `Linux ${release()}`

const machine = (storage: string): MeasuredFile["machine"] => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  memory_gib: Math.round(totalmem() / 1024 ** 3),
  kernel: kernel(),
  node: process.version,
  storage
})

/** UTC, to the minute. */
const now = (): string => `${new Date().toISOString().slice(0, 16)}Z`

const withEntry = <Entry extends { readonly name: string }>(
  before: ReadonlyArray<Entry>,
  entry: Entry
): ReadonlyArray<Entry> =>
  before.some(({ name }) => name === entry.name)
    ? before.map((other) => (other.name === entry.name ? entry : other))
    : [...before, entry]

export interface KeptFile {
  /** Fails before anything is measured when the file cannot be read. */
  readonly check: Effect.Effect<void, CliFailure>
  readonly keep: (entry: Omit<Measurement, "sources" | "date">) => Effect.Effect<void, CliFailure>
  readonly keepShaped: (
    entry: Omit<ShapedMeasurement, "sources" | "kernel" | "date">
  ) => Effect.Effect<void, CliFailure>
}

/** The file of the measurements; `storage` is where the hosts' data lie. */
export const measuredFileAt = (file: string, storage: string): KeptFile => {
  const change = (
    changed: (before: MeasuredFile) => Pick<MeasuredFile, "measurements" | "shaped">,
    machineOf: (before: MeasuredFile | undefined) => MeasuredFile["machine"]
  ) =>
    Effect.gen(function* () {
      const before = yield* readFile(file)
      const machine = machineOf(before)
      writeFileSync(
        file,
        measuredText({ machine, ...changed(before ?? { machine, measurements: [], shaped: [] }) })
      )
      yield* Console.log(`kept in ${file}`)
    })
  return {
    check: Effect.asVoid(readFile(file)),
    keep: (entry) =>
      change(
        ({ measurements, shaped }) => ({
          measurements: withEntry(measurements, { sources: sources(), ...entry, date: now() }),
          shaped
        }),
        () => machine(storage)
      ),
    keepShaped: (entry) =>
      change(
        ({ measurements, shaped }) => ({
          measurements,
          shaped: withEntry(shaped, { sources: sources(), ...entry, kernel: kernel(), date: now() })
        }),
        // The machine of the file is that of the measurements on loopback.
        (before) => before?.machine ?? machine(storage)
      )
  }
}
