// The flags of `shoal measure`. measurement.ts and namespace-measurement.ts do the work and are loaded when the command
// runs, so that other commands start quickly.

import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { byteRateText, byteSizeText, durationText } from "../../experiments/engine/option-text.ts"
import { CliFailure } from "./cli-failure.ts"
import { missingName } from "./measure-refusals.ts"
import { shapers } from "./namespace-plan.ts"

const inNamespaces = (text: string): string => `With --namespaces: ${text}`

const flags = {
  namespaces: Flag.Boolean("namespaces").pipe(
    Flag.withDescription("Run each process in a network namespace on a shaped link; needs root, ip and tc"),
    Flag.withDefault(false)
  ),
  name: Flag.String("name").pipe(
    Flag.withDescription(
      "Name of the measurement in the file; with --namespaces nothing is kept without one"
    ),
    Flag.optional
  ),
  role: Flag.Literals("role", ["calibration", "prediction"]).pipe(
    Flag.withDescription("Whether constants are fitted to it, or it is predicted"),
    Flag.withDefault("prediction" as const)
  ),
  agents: Flag.Int("agents").pipe(
    Flag.withDescription("Agents, one process each (16; 12 with --namespaces, where 2 to 16 are allowed)"),
    Flag.optional
  ),
  size: Flag.String("size").pipe(
    Flag.withSchema(byteSizeText),
    Flag.withDescription("Bytes of the blob (16MiB; 64MiB with --namespaces)"),
    Flag.optional
  ),
  rate: Flag.String("rate").pipe(
    Flag.withSchema(byteRateText),
    Flag.withDescription(
      "Rate of each host (500kB/s); with --namespaces of its link, headers included (20Mbit/s)"
    ),
    Flag.optional
  ),
  burst: Flag.String("burst").pipe(
    Flag.withSchema(byteSizeText),
    Flag.withDescription("Size of each token bucket (1MiB); with --namespaces of the kernel's (16KiB)"),
    Flag.optional
  ),
  pieces: Flag.String("pieces").pipe(
    Flag.withMetavar("SIZE"),
    Flag.withSchema(byteSizeText),
    Flag.withDescription(inNamespaces("bytes of a piece (by the size of the blob, as an origin chooses)")),
    Flag.optional
  ),
  limiter: Flag.Int("limiter").pipe(
    Flag.withMetavar("PERCENT"),
    Flag.withDescription(
      inNamespaces("the product's own rate limits, in percent of a link's goodput; 0 is off (0)")
    ),
    Flag.withDefault(0)
  ),
  shaper: Flag.Literals("shaper", shapers).pipe(
    Flag.withDescription(inNamespaces("the kernel's shaper (tbf)")),
    Flag.withDefault("tbf" as const)
  ),
  queue: Flag.String("queue").pipe(
    Flag.withMetavar("SIZE"),
    Flag.withSchema(byteSizeText),
    Flag.withDescription(inNamespaces("bytes that wait at a shaper before packets are dropped (128KiB)")),
    Flag.optional
  ),
  delay: Flag.String("delay").pipe(
    Flag.withMetavar("TIME"),
    Flag.withSchema(durationText),
    Flag.withDescription(inNamespaces("delay of each packet, one way, if the kernel has netem (none)")),
    Flag.optional
  ),
  congestion: Flag.String("congestion").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(inNamespaces("TCP's congestion control (cubic, or the machine's without it)")),
    Flag.optional
  ),
  settings: Flag.String("sysctl").pipe(
    Flag.withMetavar("NAME=VALUE"),
    Flag.withDescription(
      inNamespaces("a kernel setting, as net.ipv4.tcp_notsent_lowat=16384; may be repeated")
    ),
    Flag.atLeast(0)
  ),
  seeds: Flag.Int("seeds").pipe(
    Flag.withDescription(inNamespaces("simulated seeds of the prediction; 0 predicts nothing (5)")),
    Flag.withDefault(5)
  ),
  perHost: Flag.Boolean("per-host").pipe(
    Flag.withDescription(inNamespaces("print a line for each host")),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(inNamespaces("write the numbers of all runs there, as JSON")),
    Flag.optional
  ),
  conditions: Flag.String("conditions").pipe(
    Flag.withDescription("Description of what else runs on the machine"),
    Flag.withDefault("nothing else ran")
  ),
  runs: Flag.Int("runs").pipe(Flag.withDescription("Runs to keep (3)"), Flag.withDefault(3)),
  maxBusy: Flag.Finite("max-busy").pipe(
    Flag.withDescription(
      "A run with more of all processors in use is dropped, with --namespaces only marked (0.6)"
    ),
    Flag.withDefault(0.6)
  ),
  quietBelow: Flag.Finite("quiet-below").pipe(
    Flag.withDescription(
      "The pulls begin when less of all processors is in use (0.1; 1: at once); not with --namespaces"
    ),
    Flag.withDefault(0.1)
  ),
  file: Flag.String("file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("File of the measurements"),
    Flag.withDefault("experiments/sim-versus-net/measured.json")
  ),
  storage: Flag.String("storage").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Where the hosts' folders are made: memory, so that hosts share no disk (/dev/shm)"),
    Flag.withDefault("/dev/shm")
  ),
  portBase: Flag.Int("port-base").pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription(
      "Port of the proxy; the ports of agents are 1000 apart (7500); not with --namespaces"
    ),
    Flag.withDefault(7500)
  )
}

const KiB = 1024
const MiB = 1024 * KiB

const onLoopback = { agents: 16, size: 16 * MiB, rate: 500_000, burst: MiB } as const
const onShapedLinks = {
  agents: 12,
  size: 64 * MiB,
  rate: 2_500_000,
  burst: 16 * KiB,
  queue: 128 * KiB
} as const

const optionally = <Name extends string, A>(
  name: Name,
  given: Option.Option<A>
): { readonly [key in Name]?: A } =>
  Option.isSome(given) ? ({ [name]: given.value } as { readonly [key in Name]: A }) : {}

export const measureCommand = Command.make("measure", flags, (given) => {
  const { agents, size, rate, burst, queue, delay, name } = given
  if (!given.namespaces) {
    if (Option.isNone(name)) {
      return new CliFailure({ message: missingName(given.file) })
    }
    const { role, conditions, runs, maxBusy, quietBelow, file, storage, portBase } = given
    return Effect.flatMap(
      Effect.promise(() => import("./measurement.ts")),
      ({ takeMeasurement }) =>
        takeMeasurement({
          name: name.value,
          ...{ role, conditions, runs, maxBusy, quietBelow, file, storage, portBase },
          agents: Option.getOrElse(agents, () => onLoopback.agents),
          size: Option.getOrElse(size, () => onLoopback.size),
          rate: Option.getOrElse(rate, () => onLoopback.rate),
          burst: Option.getOrElse(burst, () => onLoopback.burst)
        })
    )
  }
  const { shaper, limiter, runs, seeds, maxBusy, perHost, settings, storage, file, conditions } = given
  return Effect.flatMap(
    Effect.promise(() => import("./namespace-measurement.ts")),
    ({ measureInNamespaces }) =>
      measureInNamespaces({
        ...{ limiter, runs, seeds, maxBusy, perHost, settings, storage, file, conditions },
        agents: Option.getOrElse(agents, () => onShapedLinks.agents),
        size: Option.getOrElse(size, () => onShapedLinks.size),
        shape: {
          shaper,
          rate: Option.getOrElse(rate, () => onShapedLinks.rate),
          burst: Option.getOrElse(burst, () => onShapedLinks.burst),
          queue: Option.getOrElse(queue, () => onShapedLinks.queue),
          delay: Option.getOrElse(delay, () => 0)
        },
        ...optionally("name", name),
        ...optionally("pieceLength", given.pieces),
        ...optionally("congestion", given.congestion),
        ...optionally("out", given.out)
      })
  )
}).pipe(
  Command.withDescription("Measure real processes on this machine against the simulator's prediction"),
  Command.withExamples([
    {
      command: "shoal measure --namespaces",
      description: "12 agents pull 64 MiB over links of 20 Mbit/s in network namespaces, three times"
    },
    {
      command: "shoal measure --namespaces --pieces 1MiB --limiter 95 --runs 1 --per-host",
      description: "The same with longer pieces and with the product's own limits, once, in detail"
    },
    {
      command: "shoal measure --name rate --rate 1MB/s",
      description: "On loopback: 16 agents pull 16 MiB at 1 MB/s each, three times, kept in the file"
    }
  ])
)
