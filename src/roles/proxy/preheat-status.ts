// The status of a preheat in its forms: our own, complete or brief, and the two that Harbor's providers expect
// (Dragonfly's jobs; the first Dragonfly's preheats).

import { DateTime, Option } from "effect"
import type { ProxyLimits } from "./limits.ts"
import type { PreheatStatus, PreheatSummary } from "./preheat-forms.ts"
import type { PreheatedAgent, PreheatJob } from "./preheat-job.ts"

const time = (millis: number): string =>
  DateTime.make(millis).pipe(
    Option.map(DateTime.formatIso),
    Option.getOrElse(() => "")
  )

const counts = (job: PreheatJob): PreheatSummary["agents"] => {
  const of = (state: PreheatedAgent["state"]): number =>
    [...job.agents.values()].filter((agent) => agent.state === state).length
  return {
    total: job.agents.size,
    pending: of("pending"),
    running: of("running"),
    done: of("done"),
    failed: of("failed"),
    cancelled: of("cancelled")
  }
}

/** A job without its agents, for lists. Sizes are bytes. */
export const describeBriefly = (job: PreheatJob): PreheatSummary => ({
  id: job.id,
  image: job.image,
  ...(job.digest === undefined ? {} : { digest: job.digest }),
  platforms: job.platforms,
  scope: job.scope,
  state: job.state,
  ...(job.message === undefined ? {} : { message: job.message }),
  startedAt: time(job.startedAt),
  ...(job.endedAt === undefined ? {} : { endedAt: time(job.endedAt) }),
  contents: job.contents.length,
  bytes: job.contents.reduce((sum, { size }) => sum + size, 0),
  agents: counts(job)
})

/** With every agent, or those in one state. */
export const describePreheat = (job: PreheatJob, only?: PreheatedAgent["state"]): PreheatStatus => ({
  ...describeBriefly(job),
  perAgent: [...job.agents.values()]
    .filter(({ state }) => only === undefined || state === only)
    .map(({ message, ...agent }) => (message === undefined ? agent : { ...agent, message }))
})

/** The host of a base URL, with and without its port. */
const hostOf = (url: string) => {
  const hostname = url.replace(/^https?:\/\//, "").replace(/\/$/, "")
  return { hostname, ip: hostname.replace(/:\d+$/, "") }
}

/** A job of Dragonfly's open API. Its ids are numbers, and every end other than success is a failure. */
export const describeForDragonfly = (job: PreheatJob, { maxDragonflyTasks }: ProxyLimits) => {
  const agents = [...job.agents.values()]
  const task = (agent: PreheatedAgent) => ({ url: job.image, ...hostOf(agent.url) })
  const failures = agents.filter(({ state }) => state === "failed")
  return {
    id: Number(job.id),
    created_at: time(job.startedAt),
    updated_at: time(job.endedAt ?? job.startedAt),
    type: "preheat",
    state: job.state === "done" ? "SUCCESS" : job.ended ? "FAILURE" : "PENDING",
    result: {
      job_states: [
        {
          error: job.state === "done" ? "" : (job.message ?? (job.state === "cancelled" ? "cancelled" : "")),
          results: [
            {
              success_tasks: agents
                .filter(({ state }) => state === "done")
                .slice(0, maxDragonflyTasks)
                .map(task),
              failure_tasks: failures
                .slice(0, maxDragonflyTasks)
                .map((agent) => ({ ...task(agent), description: agent.message ?? "" })),
              scheduler_cluster_id: 1
            }
          ]
        }
      ]
    }
  }
}

/** The form of Harbor's provider for the first Dragonfly. */
export const describeForFirstDragonfly = (job: PreheatJob) => ({
  ID: job.id,
  startTime: time(job.startedAt),
  ...(job.endedAt === undefined ? {} : { finishTime: time(job.endedAt) }),
  errorMsg: job.state === "done" ? "" : (job.message ?? ""),
  Status:
    job.state === "done" ? "SUCCESS" : job.ended ? "FAILED" : job.state === "running" ? "RUNNING" : "WAITING"
})
