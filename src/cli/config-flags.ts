// Decides which flags stand for which keys of a configuration, the same spelling for every role. A flag that is not
// given changes nothing. Values are checked by the role's schema, not here; only HOST:PORT is taken apart.

import { Option } from "effect"
import { Flag } from "effect/cli"
import type { Override } from "./config-file.ts"

export interface ConfigFlag {
  readonly name: string
  /** The keys that the flag gives. */
  readonly paths: ReadonlyArray<ReadonlyArray<string>>
  /** Parses to what it overrides; nothing when it was not given. */
  readonly flag: Flag.Flag<ReadonlyArray<Override>>
}

const single = <A>(
  name: string,
  paths: ConfigFlag["paths"],
  flag: Flag.Flag<A>,
  values: (given: A) => ReadonlyArray<unknown>
): ConfigFlag => ({
  name,
  paths,
  flag: Flag.optional(flag).pipe(
    Flag.map(
      Option.match({
        onNone: () => [],
        onSome: (given) =>
          values(given).map((value, index) => ({ flag: `--${name}`, path: paths[index]!, value }))
      })
    )
  )
})

const text = (name: string, path: ReadonlyArray<string>, metavar: string, description: string): ConfigFlag =>
  single(
    name,
    [path],
    Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description)),
    (value) => [value]
  )

const choice = <const Choices extends ReadonlyArray<string>>(
  name: string,
  path: ReadonlyArray<string>,
  choices: Choices,
  description: string
): ConfigFlag =>
  single(name, [path], Flag.Literals(name, choices).pipe(Flag.withDescription(description)), (value) => [
    value
  ])

const whole = (name: string, path: ReadonlyArray<string>, metavar: string, description: string): ConfigFlag =>
  single(
    name,
    [path],
    Flag.Int(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description)),
    (value) => [value]
  )

/** A flag that may be given several times; together they replace the list. */
const list = (
  name: string,
  path: ReadonlyArray<string>,
  description: string,
  metavar = "URL"
): ConfigFlag => ({
  name,
  paths: [path],
  flag: Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(`${description}; may be repeated`),
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
export const listen = (name: string, key: string, description: string): ConfigFlag =>
  single(
    name,
    [
      [key, "host"],
      [key, "port"]
    ],
    Flag.String(name).pipe(
      Flag.mapTryCatch(parseListenAddress, (error) => (error as Error).message),
      Flag.withMetavar("HOST:PORT"),
      Flag.withDescription(description)
    ),
    ({ host, port }) => [host, port]
  )

export const log: ReadonlyArray<ConfigFlag> = [
  choice(
    "log",
    ["log", "level"],
    ["trace", "debug", "info", "warn", "error", "silent"],
    "The least important lines to log (info)"
  ),
  choice(
    "log-format",
    ["log", "format"],
    ["auto", "json", "pretty"],
    "How lines look; auto is pretty on a terminal, JSON otherwise"
  )
]

export const data: ConfigFlag = text("data", ["data"], "DIR", "The folder of everything that is kept")

export const peer: ReadonlyArray<ConfigFlag> = [
  listen("peer", "peer", "Where peers connect"),
  text("advertise", ["peer", "advertise"], "HOST", "The host that other peers are told, if it differs"),
  whole("egress", ["rates", "egressBytesPerSecond"], "BYTES", "Piece bytes a second to send at most"),
  whole("ingress", ["rates", "ingressBytesPerSecond"], "BYTES", "Piece bytes a second to receive at most"),
  whole("burst", ["rates", "burstBytes"], "BYTES", "What the rates' token buckets hold")
]

export const disk: ConfigFlag = whole(
  "disk-budget",
  ["disk", "budgetBytes"],
  "BYTES",
  "What may be kept on this disk; beyond it goes what was used longest ago (unbounded)"
)

export const origins: ConfigFlag = list("origin", ["origins"], "The HTTP address of an origin")
export const trackers: ConfigFlag = list("tracker", ["trackers"], "The HTTP address of a tracker")
export const buildIndexes: ConfigFlag = list(
  "build-index",
  ["buildIndexes"],
  "The HTTP address of a build-index"
)
export const registration: ReadonlyArray<ConfigFlag> = [
  text("register", ["register", "url"], "URL", "Lets proxies preheat this agent, which they reach here"),
  text("zone", ["register", "zone"], "NAME", "The zone it stands in, with --register")
]
export const pushes: ReadonlyArray<ConfigFlag> = [
  choice("push", ["push"], ["refuse", "forward"], "What becomes of a push to this agent (refuse)"),
  text("proxy", ["proxy"], "URL", "The proxy that takes pushes: named to a client, or forwarded to")
]
export const freshness: ConfigFlag = whole(
  "freshness",
  ["freshness"],
  "SECONDS",
  "How soon a moved tag or a deletion is seen; 0 asks at every request (5)"
)
export const self: ConfigFlag = text("self", ["self"], "URL", "This origin's own entry among the origins")

export const ownNames: ConfigFlag = list(
  "own-name",
  ["ownNames"],
  "A name under which clients know the cluster, for their ns",
  "HOST:PORT"
)
