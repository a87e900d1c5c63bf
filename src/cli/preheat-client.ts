// Orders a preheat at a proxy for `shoal preheat` and follows it to its end. Prints a line at the beginning, one for
// each agent that failed, and one at the end. Ctrl-C leaves the preheat running under the id that was printed.

import { Console, Effect } from "effect"
import { apiClient } from "../roles/client/api-client.ts"
import { makeUpstreams } from "../roles/client/upstreams.ts"
import { PreheatApi } from "../roles/proxy/preheat-api.ts"
import type { PreheatRequest } from "../roles/proxy/preheat-forms.ts"
import { nodeHttpClient } from "../runtime-net/http/http-client.ts"
import { CliFailure } from "./cli-failure.ts"

const api = apiClient(PreheatApi)

const betweenLooks = "500 millis"

export const orderPreheat = (
  proxy: string,
  order: typeof PreheatRequest.Type,
  detach: boolean
): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    const upstreams = yield* makeUpstreams
    // The proxy answers when it knows image and agents, which takes as long as its own questions.
    let status = yield* upstreams.call(proxy, undefined, api.preheat.begin({ payload: order }))
    const { id, image, contents, bytes, agents } = status
    yield* Console.log(
      `preheat ${id}: ${image}, ${contents} contents of ${(bytes / 1e6).toFixed(1)} MB, at ${agents.total} agents`
    )
    if (detach) return
    const failures = api.preheat.status({ params: { id }, query: { agents: "failed" } })
    while (status.state === "resolving" || status.state === "running") {
      yield* Effect.sleep(betweenLooks)
      status = yield* upstreams.call(proxy, undefined, failures)
    }
    const last = yield* upstreams.call(proxy, undefined, failures)
    for (const { url, message } of last.perAgent) yield* Console.log(`${url} failed: ${message ?? "?"}`)
    if (last.state !== "done") {
      return yield* new CliFailure({
        message: `preheat ${id} ${last.state}: ${last.message ?? "no reason given"}`
      })
    }
    yield* Console.log(`done at ${last.agents.done} agents`)
  }).pipe(
    Effect.mapError((error) => {
      if (error instanceof CliFailure) return error
      const noSuchCall = error._tag === "OciError" && error.code === "UNSUPPORTED" && error.status === 404
      const why = noSuchCall ? "it does not preheat: does its configuration name trackers?" : error.message
      return new CliFailure({ message: `${proxy}: ${why}` })
    }),
    Effect.provide(nodeHttpClient)
  )
