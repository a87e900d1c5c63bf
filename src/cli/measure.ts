// The flags of `shoal measure`. measurement.ts does the work and is loaded when the command runs, so that other
// commands start quickly.

import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { byteRateText, byteSizeText } from "../../experiments/engine/option-text.ts"

const flags = {
  name: Flag.String("name").pipe(Flag.withDescription("Name of the measurement in the file")),
  role: Flag.Literals("role", ["calibration", "prediction"]).pipe(
    Flag.withDescription("Whether constants are fitted to it, or it is predicted"),
    Flag.withDefault("prediction" as const)
  ),
  agents: Flag.Int("agents").pipe(Flag.withDescription("Agents, one process each"), Flag.withDefault(16)),
  size: Flag.String("size").pipe(
    Flag.withDefault("16MiB"),
    Flag.withSchema(byteSizeText),
    Flag.withDescription("Bytes of the blob (16MiB)")
  ),
  rate: Flag.String("rate").pipe(
    Flag.withDefault("500kB/s"),
    Flag.withSchema(byteRateText),
    Flag.withDescription("Rate at which each agent and the origin may send and receive (500kB/s)")
  ),
  burst: Flag.String("burst").pipe(
    Flag.withDefault("1MiB"),
    Flag.withSchema(byteSizeText),
    Flag.withDescription("Size of each token bucket (1MiB)")
  ),
  conditions: Flag.String("conditions").pipe(
    Flag.withDescription("Description of what else runs on the machine"),
    Flag.withDefault("nothing else ran")
  ),
  runs: Flag.Int("runs").pipe(Flag.withDescription("Runs to keep"), Flag.withDefault(3)),
  maxBusy: Flag.Finite("max-busy").pipe(
    Flag.withDescription("A run is dropped when more than this share of all processors is in use by others"),
    Flag.withDefault(0.6)
  ),
  quietBelow: Flag.Finite("quiet-below").pipe(
    Flag.withDescription("The pulls begin when less than this share of all processors is in use"),
    Flag.withDefault(0.1)
  ),
  file: Flag.String("file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("File of the measurements"),
    Flag.withDefault("experiments/sim-versus-net/measured.json")
  ),
  storage: Flag.String("storage").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription(
      "Where the hosts' folders are made: memory, so that one disk does not stand under all"
    ),
    Flag.withDefault("/dev/shm")
  ),
  portBase: Flag.Int("port-base").pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription("Port of the proxy; the ports of agents are 1000 apart"),
    Flag.withDefault(7500)
  )
}

export const measureCommand = Command.make("measure", flags, (given) =>
  Effect.flatMap(
    Effect.promise(() => import("./measurement.ts")),
    ({ takeMeasurement }) => takeMeasurement(given)
  )
).pipe(
  Command.withDescription("Measure real processes on this machine for the experiment sim-versus-net"),
  Command.withExamples([
    {
      command: "shoal measure --name rate --rate 1MB/s",
      description: "16 agents pull 16 MiB at 1 MB/s each, three times"
    }
  ])
)
