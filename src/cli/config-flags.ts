// Which flags stand for which keys of a configuration, the same spelling for every role. A flag that is not given
// changes nothing. What a flag means and its default come from the role's schema, which also checks the value; only
// HOST:PORT is taken apart here.

import { Option } from "effect"
import { Flag } from "effect/cli"
import type { Override } from "./config-file.ts"
import { type Setting, settingAt } from "./settings.ts"

type Path = ReadonlyArray<string>

export interface ConfigFlag {
  readonly name: string
  /** The key whose meaning and default the flag has. */
  readonly about: Path
  /** The keys that the flag gives. */
  readonly paths: ReadonlyArray<Path>
  /** With its description. Parses to what it overrides; nothing when it was not given. */
  readonly flag: (description: string) => Flag.Flag<ReadonlyArray<Override>>
}

/** What --help says of a flag of a role that has these settings. */
export const describeFlag = (
  { name, about }: Pick<ConfigFlag, "name" | "about">,
  settings: ReadonlyArray<Setting>
): string => {
  const setting = settingAt(settings, about)
  if (setting === undefined) throw new Error(`--${name}: the role has no ${about.join(".")}`)
  const repeats = setting.type.startsWith("list of ") ? "; may be repeated" : ""
  const { byDefault } = setting
  const unless = byDefault === undefined || byDefault === "none" ? "" : ` (default: ${byDefault})`
  return `${setting.meaning}${repeats}${unless}`
}

const single = <A>(
  name: string,
  about: Path,
  paths: ReadonlyArray<Path>,
  flag: Flag.Flag<A>,
  values: (given: A) => ReadonlyArray<unknown>
): ConfigFlag => ({
  name,
  about,
  paths,
  flag: (description) =>
    Flag.optional(Flag.withDescription(flag, description)).pipe(
      Flag.map(
        Option.match({
          onNone: () => [],
          onSome: (given) =>
            values(given).map((value, index) => ({ flag: `--${name}`, path: paths[index]!, value }))
        })
      )
    )
})

const text = (name: string, path: Path, metavar: string): ConfigFlag =>
  single(name, path, [path], Flag.String(name).pipe(Flag.withMetavar(metavar)), (value) => [value])

const choice = (name: string, path: Path, choices: ReadonlyArray<string>): ConfigFlag =>
  single(name, path, [path], Flag.Literals(name, choices), (value) => [value])

/** A flag that may be given several times; together they replace the list. */
const list = (name: string, path: Path, metavar = "URL"): ConfigFlag => ({
  name,
  about: path,
  paths: [path],
  flag: (description) =>
    Flag.String(name).pipe(
      Flag.withMetavar(metavar),
      Flag.withDescription(description),
      Flag.atLeast(0),
      Flag.map((values) => (values.length === 0 ? [] : [{ flag: `--${name}`, path, value: values }]))
    )
})

/** "HOST:PORT", "[::1]:PORT" or "PORT" (on 127.0.0.1), taken apart. */
export const parseListenAddress = (address: string): { readonly host: string; readonly port: number } => {
  const match = /^(?:(?<host>[^:[\]\s]+|\[[0-9a-fA-F:.]+\]):)?(?<port>[0-9]{1,5})$/.exec(address)
  if (match === null) throw new Error("HOST:PORT or PORT")
  const host = match.groups?.host ?? "127.0.0.1"
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(match.groups?.port) }
}

/** Where a listener binds; fills `host` and `port` of the key `key`. */
export const listen = (name: string, key: string): ConfigFlag =>
  single(
    name,
    [key],
    [
      [key, "host"],
      [key, "port"]
    ],
    Flag.String(name).pipe(
      Flag.mapTryCatch(parseListenAddress, (error) => (error as Error).message),
      Flag.withMetavar("HOST:PORT")
    ),
    ({ host, port }) => [host, port]
  )

export const log: ReadonlyArray<ConfigFlag> = [
  choice("log", ["log", "level"], ["trace", "debug", "info", "warn", "error", "silent"]),
  choice("log-format", ["log", "format"], ["auto", "json", "pretty"])
]

export const data: ConfigFlag = text("data", ["data"], "DIR")

export const peer: ReadonlyArray<ConfigFlag> = [
  listen("peer", "peer"),
  text("advertise", ["peer", "advertise"], "HOST"),
  text("egress", ["rates", "egress"], "RATE"),
  text("ingress", ["rates", "ingress"], "RATE"),
  text("burst", ["rates", "burst"], "SIZE")
]

export const disk: ConfigFlag = text("disk-budget", ["disk", "budget"], "SIZE")

export const origins: ConfigFlag = list("origin", ["origins"])
export const trackers: ConfigFlag = list("tracker", ["trackers"])
export const buildIndexes: ConfigFlag = list("build-index", ["buildIndexes"])
export const registration: ReadonlyArray<ConfigFlag> = [
  text("register", ["register", "url"], "URL"),
  text("zone", ["register", "zone"], "NAME")
]
export const pushes: ReadonlyArray<ConfigFlag> = [
  choice("push", ["push"], ["refuse", "forward"]),
  text("proxy", ["proxy"], "URL")
]
export const freshness: ConfigFlag = text("freshness", ["freshness"], "DURATION")
export const self: ConfigFlag = text("self", ["self"], "URL")

export const ownNames: ConfigFlag = list("own-name", ["ownNames"], "HOST:PORT")
