// Runs one role as a process: reads the configuration and opens nothing before it is valid, starts the program of the
// role over sockets and disks, and keeps it until a signal arrives. The program and its world are loaded when they are
// run, so that --help is quick.

import { Effect, type Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Log } from "../roles/config/process-keys.ts"
import type { HostProgram, StartedRole } from "../roles/host-program.ts"
import { hostAndPort } from "../roles/http/host-and-port.ts"
import type { ServedListener } from "../runtime-net/http/http-listener.ts"
import { readSecret } from "../runtime-net/platform/node-secrets.ts"
import { decodeConfig, readConfigFile } from "./config-file.ts"
import { type ConfigFlag, describeFlag } from "./config-flags.ts"
import { checkSecrets } from "./config-secrets.ts"
import { settingsOf } from "./settings.ts"

/** The part that all configurations of roles share. */
interface RoleConfig {
  readonly log: typeof Log.Type
}

export interface RoleCommand<Config extends RoleConfig> {
  readonly name: string
  readonly description: string
  readonly schema: Schema.ConstraintDecoder<Config>
  readonly flags: ReadonlyArray<ConfigFlag>
  /** Loads the module of the role. */
  readonly load: () => Promise<(config: Config) => HostProgram<StartedRole>>
}

const loadWorld = async () => {
  const [{ runHost }, { pinoLogger }] = await Promise.all([
    import("../runtime-net/process/run-host.ts"),
    import("../runtime-net/process/pino-logger.ts")
  ])
  return { runHost, pinoLogger }
}

const configFlag = Flag.String("config").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Configuration in YAML or JSON; the flags below override its keys"),
  Flag.optional
)

/** What the log says of each listener; of the one for peers, the address where they connect. */
export const listenersOf = ({
  role,
  listeners
}: {
  readonly role: Pick<StartedRole, "engine">
  readonly listeners: ReadonlyArray<Pick<ServedListener, "name" | "host" | "port">>
}) => [
  ...listeners.map(({ name, host, port }) => ({ listener: name, address: hostAndPort(host, port) })),
  ...(role.engine === undefined ? [] : [{ listener: "peer", address: role.engine.address }])
]

/** The subcommand that runs a role. */
export const roleCommand = <Config extends RoleConfig>(role: RoleCommand<Config>) => {
  const flagFor = (path: ReadonlyArray<PropertyKey>) => {
    const named = role.flags.find(({ paths }) =>
      paths.some((keys) => path.every((key, index) => keys[index] === key))
    )
    return named === undefined ? undefined : `--${named.name}`
  }
  const settings = settingsOf(role.schema)
  const flags = Object.fromEntries(
    role.flags.map((flag) => [flag.name, flag.flag(describeFlag(flag, settings))])
  )
  return Command.make(role.name, { config: configFlag, flags }, ({ config, flags: given }) =>
    Effect.gen(function* () {
      const file = config._tag === "Some" ? config.value : undefined
      const keys = file === undefined ? {} : yield* readConfigFile(file)
      const decoded = yield* decodeConfig(role.schema, file, keys, Object.values(given).flat(), flagFor)
      yield* checkSecrets(decoded, settings, file, readSecret)
      const program = yield* Effect.promise(role.load)
      const { runHost, pinoLogger } = yield* Effect.promise(loadWorld)
      yield* Effect.gen(function* () {
        const running = yield* runHost(program(decoded))
        for (const listener of listenersOf(running)) {
          yield* Effect.annotateLogs(Effect.logInfo("listens"), { ...listener })
        }
        yield* Effect.never
      }).pipe(Effect.scoped, Effect.provide(pinoLogger(decoded.log)))
    })
  ).pipe(Command.withDescription(role.description))
}
