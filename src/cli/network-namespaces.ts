// Makes and removes the network namespaces of a measurement with `ip` and `tc`, and runs their look-ups. One
// measurement at a time uses them on a machine; what a crashed one left behind is removed first.
//
// Invariants: a machine that cannot make them is told from one that failed (NotPossibleHere); when the scope closes, no
// namespace of this command is left; every call of a program has a time limit.

import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Effect, type Scope } from "effect"
import { CliFailure, NotPossibleHere } from "./cli-failure.ts"
import { type LinkShape, type NamespacePlan, namePrefix, type ProgramCall } from "./namespace-plan.ts"
import { lockFile } from "./preflight.ts"

const callMilliseconds = 20_000
/** A measurement waits so long for another one on this machine. */
const turnWithin = "1 hour"
const betweenLooks = "1 second"

interface Called {
  readonly stdout: string
  /** Why it failed, in one line; undefined when it succeeded. */
  readonly problem: string | undefined
}

const called = ({ program, args }: ProgramCall): Called => {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    timeout: callMilliseconds
  })
  const said = (stderr ?? "").trim().split("\n")[0]
  const problem =
    error !== undefined ? error.message : status === 0 ? undefined : said || `exit code ${status}`
  return { stdout: stdout ?? "", problem }
}

const textOf = ({ program, args }: ProgramCall): string => [program, ...args].join(" ")

/** Runs a program and gives its output. */
export const callProgram = (call: ProgramCall): Effect.Effect<string, CliFailure> =>
  Effect.suspend(() => {
    const { stdout, problem } = called(call)
    return problem === undefined
      ? Effect.succeed(stdout)
      : new CliFailure({ message: `${textOf(call)}: ${problem}` })
  })

const ip = (...args: ReadonlyArray<string>): ProgramCall => ({ program: "ip", args })

/** Names of the namespaces of this command, of all its runs. */
const namespacesLeft = (): ReadonlyArray<string> =>
  called(ip("netns", "list"))
    .stdout.split("\n")
    .map((line) => line.split(" ")[0] ?? "")
    .filter((name) => name.startsWith(namePrefix))

/** Ends what still runs in a namespace, by process ids, and removes it. */
const removeNamespace = (name: string): void => {
  const pids = called(ip("netns", "pids", name))
    .stdout.split("\n")
    .filter(Boolean)
  for (const pid of pids) {
    try {
      process.kill(Number(pid), "SIGKILL")
    } catch {
      // It has ended between the two calls.
    }
  }
  called(ip("netns", "delete", name))
}

const removeAll: Effect.Effect<void> = Effect.sync(() => {
  for (const name of namespacesLeft()) removeNamespace(name)
})

/** Folders of a crashed measurement; their processes ended with it. */
const removeFolders = (storage: string): Effect.Effect<void> =>
  Effect.sync(() => {
    if (!existsSync(storage)) return
    for (const name of readdirSync(storage)) {
      if (name.startsWith(namePrefix)) rmSync(join(storage, name), { recursive: true, force: true })
    }
  })

const probe = `${namePrefix}probe`

/** Each of these must succeed in a namespace of its own; the words say what is missing when it does not. */
const needed = (shaper: string, delay: number): ReadonlyArray<readonly [ProgramCall, string]> => [
  [ip("netns", "add", probe), "it does not let this process make a network namespace"],
  [
    ip("-n", probe, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"),
    "its kernel has no veth pairs"
  ],
  [ip("-n", probe, "link", "add", "probe2", "type", "bridge"), "its kernel has no bridges"],
  [
    {
      program: "tc",
      args:
        shaper === "tbf"
          ? ["-n", probe, ..."qdisc add dev probe0 root tbf rate 1mbit burst 15000 limit 100000".split(" ")]
          : ["-n", probe, ..."qdisc add dev probe0 root handle 1: htb".split(" ")]
    },
    `its kernel has no ${shaper}`
  ],
  ...(delay === 0
    ? []
    : [
        [
          { program: "tc", args: ["-n", probe, ..."qdisc add dev probe1 root netem delay 1ms".split(" ")] },
          "its kernel has no netem, so there is no delay: leave out --delay"
        ] as const
      ])
]

/** Why this process cannot even try; undefined when it can. */
const whyNotTry = (): string | undefined => {
  if (process.platform !== "linux") return `network namespaces are Linux's, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return "only root makes network namespaces"
  for (const program of ["ip", "tc"] as const) {
    if (called({ program, args: ["-V"] }).problem !== undefined) {
      return `the program ${program} is missing: install iproute2`
    }
  }
  return undefined
}

/** What this machine lacks, tried in a namespace; undefined when it has everything. */
const whatIsMissing = (shaper: string, delay: number): string | undefined => {
  try {
    for (const [call, missing] of needed(shaper, delay)) {
      const { problem } = called(call)
      if (problem !== undefined) return `${missing} (${textOf(call)}: ${problem})`
    }
    return undefined
  } finally {
    removeNamespace(probe)
  }
}

const refuse = (reason: string) =>
  new NotPossibleHere({ message: `this machine cannot make the namespaces: ${reason}` })

/** Waits until no other process measures in namespaces on this machine, and keeps others waiting. */
const myTurn = Effect.gen(function* () {
  const file = join(tmpdir(), `${namePrefix}namespaces.lock`)
  let told = false
  for (;;) {
    const taken = yield* Effect.result(lockFile(file))
    if (taken._tag === "Success") return
    if (taken.failure._tag === "CliFailure") return yield* taken.failure
    if (!told)
      yield* Console.log("another measurement uses the namespaces of this machine; waiting for its end")
    told = true
    yield* Effect.sleep(betweenLooks)
  }
}).pipe(
  Effect.timeoutOrElse({
    duration: turnWithin,
    orElse: () =>
      new CliFailure({ message: `another measurement has used this machine's namespaces for ${turnWithin}` })
  })
)

/** Reserves the machine for this process, and removes what a crashed measurement left, here and in `storage`. */
export const reserveNamespaces = (
  { shaper, delay }: Pick<LinkShape, "shaper" | "delay">,
  storage: string
): Effect.Effect<void, CliFailure | NotPossibleHere, Scope.Scope> =>
  Effect.gen(function* () {
    const reason = whyNotTry()
    if (reason !== undefined) return yield* refuse(reason)
    yield* myTurn
    yield* removeAll
    yield* removeFolders(storage)
    const missing = whatIsMissing(shaper, delay)
    if (missing !== undefined) return yield* refuse(missing)
  })

/** Makes the namespaces of a plan. They are removed when the scope closes, with whatever still runs in them. */
export const makeNamespaces = ({ calls }: NamespacePlan): Effect.Effect<void, CliFailure, Scope.Scope> =>
  Effect.acquireRelease(Effect.void, () => removeAll).pipe(
    Effect.andThen(Effect.forEach(calls, callProgram, { discard: true }))
  )

/** Names that the kernel knows for TCP's congestion control, and the one that new namespaces have. */
export const congestionControls = (): { readonly known: ReadonlyArray<string>; readonly own: string } => {
  const read = (name: string): string => {
    const file = `/proc/sys/net/ipv4/${name}`
    return existsSync(file) ? readFileSync(file, "utf8").trim() : ""
  }
  return {
    known: read("tcp_available_congestion_control").split(" "),
    own: read("tcp_congestion_control")
  }
}
