// Orders a preheat at a proxy for `shoal preheat` and follows it to its end. Prints a line at the beginning, one for
// each agent that failed, and one at the end. Ctrl-C leaves the preheat running under the id that was printed. When
// what answers refuses the order, its metrics tell whether it is a proxy at all.

import { Console, Effect } from "effect"
import { HttpClient } from "effect/http"
import { apiClient } from "../roles/client/api-client.ts"
import { makeUpstreams } from "../roles/client/upstreams.ts"
import type { OciError } from "../roles/oci/oci-error.ts"
import { PreheatApi } from "../roles/proxy/preheat-api.ts"
import type { PreheatRequest } from "../roles/proxy/preheat-forms.ts"
import { CliFailure } from "./cli-failure.ts"

const api = apiClient(PreheatApi)

const betweenLooks = "500 millis"
const patience = "5 seconds"

/** The role that answers at the URL, by the label of its metrics; undefined when they do not say. */
const roleAt = (url: string): Effect.Effect<string | undefined, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const metrics = yield* HttpClient.get(`${url}/metrics`)
    return /role="([a-z-]+)"/.exec(yield* metrics.text)?.[1]
  }).pipe(
    Effect.timeout(patience),
    Effect.orElseSucceed(() => undefined)
  )

/** Why the proxy refused the order: often the URL is another role's. */
const whyRefused = (url: string, { code, status, message }: OciError) =>
  Effect.map(roleAt(url), (role) => {
    if (role !== undefined && role !== "proxy") {
      const article = /^[aeiou]/.test(role) ? "an" : "a"
      return `${article} ${role} answers there, not a proxy: name the proxy's address, where images are pushed, by --proxy`
    }
    const hasNoSuchCall = code === "UNSUPPORTED" && status === 404
    return hasNoSuchCall ? "it does not preheat: does its configuration name trackers?" : message
  })

export const orderPreheat = (
  proxy: string,
  order: typeof PreheatRequest.Type,
  detach: boolean
): Effect.Effect<void, CliFailure, HttpClient.HttpClient> =>
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
    Effect.catch((error) => {
      if (error instanceof CliFailure) return error
      const refused = error._tag === "OciError" && (error.status === 400 || error.status === 404)
      const why = refused ? whyRefused(proxy, error) : Effect.succeed(error.message)
      return Effect.flatMap(why, (reason) => new CliFailure({ message: `${proxy}: ${reason}` }))
    })
  )
