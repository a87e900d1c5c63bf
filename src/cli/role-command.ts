// Decides how one role runs as a process of its own: read the configuration, open nothing before it is right, start
// the role's program in the world of sockets and disks, and keep it until a signal comes. The role's program and the
// world are loaded when they are run, so that --help stays quick.

import { Effect, type Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { HostProgram, StartedRole } from "../roles/host-program.ts"
import { decodeConfig, readConfigFile } from "./config-file.ts"
import type { ConfigFlag } from "./config-flags.ts"

export interface RoleCommand<Config> {
  readonly name: string
  readonly description: string
  readonly schema: Schema.ConstraintDecoder<Config>
  readonly flags: ReadonlyArray<ConfigFlag>
  /** Loads the module of the role. */
  readonly load: () => Promise<(config: Config) => HostProgram<StartedRole>>
}

const configFlag = Flag.String("config").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Configuration in YAML or JSON; the flags below override its keys"),
  Flag.optional
)

/** The subcommand that runs a role. */
export const roleCommand = <Config>(role: RoleCommand<Config>) => {
  const flagFor = (path: ReadonlyArray<PropertyKey>) => {
    const named = role.flags.find(({ paths }) =>
      paths.some((keys) => path.every((key, index) => keys[index] === key))
    )
    return named === undefined ? undefined : `--${named.name}`
  }
  const flags = Object.fromEntries(role.flags.map(({ name, flag }) => [name, flag]))
  return Command.make(role.name, { config: configFlag, flags }, ({ config, flags: given }) =>
    Effect.gen(function* () {
      const file = config._tag === "Some" ? config.value : undefined
      const keys = file === undefined ? {} : yield* readConfigFile(file)
      const decoded = yield* decodeConfig(role.schema, file, keys, Object.values(given).flat(), flagFor)
      const program = yield* Effect.promise(role.load)
      const { runHost } = yield* Effect.promise(() => import("../runtime-net/run-host.ts"))
      yield* runHost(program(decoded), decoded)
      return yield* Effect.never
    }).pipe(Effect.scoped)
  ).pipe(Command.withDescription(role.description))
}
