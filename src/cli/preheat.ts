// The flags and the output of `shoal preheat`. preheat-client.ts talks to the proxy.

import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { PreheatScope } from "../roles/proxy/config.ts"
import { CliFailure } from "./cli-failure.ts"

/** The scope as a proxy expects it, from "all", "zone:NAME" or "count:N"; undefined for any other text. */
export const parseScope = (text: string): PreheatScope | undefined => {
  if (text === "all") return { kind: "all" }
  const [, kind, value] = /^(zone|count):(.+)$/.exec(text) ?? []
  if (kind === "zone") return { kind, zone: value! }
  return kind === "count" && /^[1-9][0-9]{0,8}$/.test(value!) ? { kind, count: Number(value) } : undefined
}

const flags = {
  image: Argument.String("IMAGE").pipe(
    Argument.withDescription(
      "REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST, without a registry's host unless the proxy mirrors it"
    )
  ),
  proxy: Flag.String("proxy").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("URL of the proxy (http://127.0.0.1:15000)"),
    Flag.withDefault("http://127.0.0.1:15000")
  ),
  scope: Flag.String("scope").pipe(
    Flag.withMetavar("SCOPE"),
    Flag.withDescription(
      "all, zone:NAME or count:N; what the proxy's configuration says when it is not given"
    ),
    Flag.optional
  ),
  platforms: Flag.String("platform").pipe(
    Flag.withMetavar("OS/ARCH"),
    Flag.withDescription("A platform of a multi-arch image; may be repeated; all platforms when absent"),
    Flag.atLeast(0)
  ),
  detach: Flag.Boolean("detach").pipe(
    Flag.withDescription("Print the id of the preheat and do not wait for its end"),
    Flag.withDefault(false)
  )
}

export const preheatCommand = Command.make("preheat", flags, ({ image, proxy, scope, platforms, detach }) =>
  Effect.gen(function* () {
    const wanted = scope._tag === "Some" ? parseScope(scope.value) : undefined
    if (scope._tag === "Some" && wanted === undefined) {
      return yield* new CliFailure({ message: `--scope ${scope.value}: expected all, zone:NAME or count:N` })
    }
    if (!/^https?:\/\/[^/\s]+\/?$/.test(proxy)) {
      return yield* new CliFailure({ message: `--proxy ${proxy}: expected http(s)://HOST:PORT` })
    }
    const order = {
      image,
      ...(wanted === undefined ? {} : { scope: wanted }),
      ...(platforms.length === 0 ? {} : { platforms })
    }
    const [{ orderPreheat }, { nodeHttpClient }] = yield* Effect.promise(() =>
      Promise.all([import("./preheat-client.ts"), import("../runtime-net/http/http-client.ts")])
    )
    yield* Effect.provide(orderPreheat(proxy.replace(/\/$/, ""), order, detach), nodeHttpClient)
  })
).pipe(
  Command.withDescription("Make agents pull an image before anybody asks for it"),
  Command.withExamples([
    {
      command: "shoal preheat demo/app:1 --scope zone:rack-1 --platform linux/amd64",
      description: "every registered agent of rack-1"
    }
  ])
)
