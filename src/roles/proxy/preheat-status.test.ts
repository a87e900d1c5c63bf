// The status of a preheat in each of its forms, at every stage of its life.

import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { proxyLimits } from "./limits.ts"
import { PreheatJob } from "./preheat-job.ts"
import {
  describeBriefly,
  describeForDragonfly,
  describeForFirstDragonfly,
  describePreheat
} from "./preheat-status.ts"

const digest = `sha256:${"ef".repeat(32)}` as Digest
const other = `sha256:${"ab".repeat(32)}` as Digest
const order = {
  repository: "demo/app",
  reference: { tag: "Tag", name: "1" },
  platforms: ["linux/amd64"],
  scope: undefined
} as const
const contents = [
  { digest, size: 10 },
  { digest: other, size: 7 }
]
const second = 1000
const [a, b] = ["http://agent-a:6001/", "https://agent-b"]

const fresh = () => new PreheatJob("12", order, { kind: "all" }, second)

/** Jobs by stage. Two agents are asked; `failed` and `partly` end with one that failed. */
const stages = () => {
  const resolved = () => {
    const job = fresh()
    job.resolved({ digest, contents }, [{ url: a! }, { url: b!, zone: "z" }], undefined, 2 * second)
    return job
  }
  const running = resolved()
  running.asked(a!)
  const done = resolved()
  for (const url of [a!, b!]) {
    done.asked(url)
    done.agentEnded(url, undefined, 3 * second)
  }
  const partly = resolved()
  partly.asked(a!)
  partly.agentEnded(a!, undefined, 3 * second)
  partly.asked(b!)
  partly.agentEnded(b!, "its disk is full", 4 * second)
  const lost = fresh()
  lost.failed("there is no such image", 2 * second)
  const cancelled = resolved()
  cancelled.cancelled(5 * second)
  return { waiting: fresh(), running, done, partly, lost, cancelled }
}

const times = (second: number) => `1970-01-01T00:00:0${second}.000Z`

describe("a preheat's own form", () => {
  it("has what is known of it, sums, and its agents by state", () => {
    const { waiting, partly, cancelled } = stages()
    const about = {
      id: "12",
      image: "demo/app:1",
      platforms: ["linux/amd64"],
      scope: { kind: "all" },
      startedAt: times(1)
    }
    const none = { total: 0, pending: 0, running: 0, done: 0, failed: 0, cancelled: 0 }
    expect(describeBriefly(waiting)).toEqual({
      ...about,
      state: waiting.state,
      contents: 0,
      bytes: 0,
      agents: none
    })
    expect(describeBriefly(partly)).toEqual({
      ...about,
      digest,
      state: "failed",
      message: partly.message,
      endedAt: times(4),
      contents: 2,
      bytes: 17,
      agents: { ...none, total: 2, done: 1, failed: 1 }
    })
    expect(describeBriefly(cancelled).agents).toEqual({ ...none, total: 2, cancelled: 2 })
  })

  it("lists every agent, or those in one state, with the reason of a failure", () => {
    const { partly, running } = stages()
    const named = (only?: Parameters<typeof describePreheat>[1]) =>
      describePreheat(partly, only).perAgent.map(({ url, state, message }) => [url, state, message])
    expect(named()).toEqual([
      [a, "done", undefined],
      [b, "failed", "its disk is full"]
    ])
    expect(named("failed")).toEqual([[b, "failed", "its disk is full"]])
    expect(named("running")).toEqual([])
    expect(describePreheat(running).perAgent.map((agent) => ["message" in agent, agent.zone])).toEqual([
      [false, undefined],
      [false, "z"]
    ])
  })
})

describe("Dragonfly's form", () => {
  it("has a number as id, and any end but success is a failure", () => {
    const states = Object.values(stages()).map((job) => describeForDragonfly(job, proxyLimits).state)
    expect(states).toEqual(["PENDING", "PENDING", "SUCCESS", "FAILURE", "FAILURE", "FAILURE"])
    const { partly, running } = stages()
    expect(describeForDragonfly(partly, proxyLimits)).toMatchObject({
      id: 12,
      type: "preheat",
      created_at: times(1),
      updated_at: times(4)
    })
    expect(describeForDragonfly(running, proxyLimits).updated_at).toBe(times(1))
  })

  it("has the tasks that succeeded and those that failed, by host", () => {
    const { done, partly, lost, cancelled } = stages()
    const jobOf = (job: PreheatJob) => describeForDragonfly(job, proxyLimits).result.job_states[0]!
    const taskA = { url: "demo/app:1", hostname: "agent-a:6001", ip: "agent-a" }
    const taskB = { url: "demo/app:1", hostname: "agent-b", ip: "agent-b" }
    expect(jobOf(done)).toEqual({
      error: "",
      results: [{ success_tasks: [taskA, taskB], failure_tasks: [], scheduler_cluster_id: 1 }]
    })
    expect(jobOf(partly)).toEqual({
      error: partly.message,
      results: [
        {
          success_tasks: [taskA],
          failure_tasks: [{ ...taskB, description: "its disk is full" }],
          scheduler_cluster_id: 1
        }
      ]
    })
    expect([jobOf(lost).error, jobOf(cancelled).error]).toEqual(["there is no such image", "cancelled"])
  })

  it("lists at most maxDragonflyTasks tasks of each kind", () => {
    const job = fresh()
    const urls = Array.from({ length: 7 }, (_, index) => `http://agent-${index}`)
    job.resolved(
      { digest, contents },
      urls.map((url) => ({ url })),
      undefined,
      second
    )
    for (const [index, url] of urls.entries()) {
      job.asked(url)
      job.agentEnded(url, index % 2 === 0 ? undefined : "why", second)
    }
    const [tasks] = describeForDragonfly(job, { ...proxyLimits, maxDragonflyTasks: 2 }).result.job_states[0]!
      .results
    expect([tasks!.success_tasks.length, tasks!.failure_tasks.length]).toEqual([2, 2])
  })
})

it("the first Dragonfly's form tells waiting, running, success and failure apart", () => {
  const forms = Object.values(stages()).map(describeForFirstDragonfly)
  expect(forms.map(({ Status }) => Status)).toEqual([
    ...["WAITING", "RUNNING", "SUCCESS", "FAILED", "FAILED", "FAILED"]
  ])
  const [waiting, , done, , lost] = forms
  expect(waiting).toEqual({ ID: "12", startTime: times(1), errorMsg: "", Status: "WAITING" })
  expect(done).toEqual({ ...waiting, finishTime: times(3), Status: "SUCCESS" })
  expect(lost!.errorMsg).toBe("there is no such image")
})
