// The life of a preheat and the table of preheats, by random histories: ended jobs never change, counts agree, limits
// hold.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { proxyLimits } from "./limits.ts"
import { PreheatJob } from "./preheat-job.ts"
import type { PreheatOrder } from "./preheat-order.ts"
import { makePreheatTable } from "./preheat-table.ts"

const digest = `sha256:${"ef".repeat(32)}` as Digest
const order: PreheatOrder = {
  repository: "demo/app",
  reference: { tag: "Tag", name: "1" },
  platforms: [],
  scope: undefined
}
const image = { digest, contents: [{ digest, size: 10 }] }
const urls = ["http://a", "http://b", "http://c"]
const newJob = (id = "1", now = 0) => new PreheatJob(id, order, { kind: "all" }, now)
const agents = (count: number) => urls.slice(0, count).map((url) => ({ url }))

const step = fc.oneof(
  fc.record({ what: fc.constant("resolved" as const), count: fc.nat(3) }),
  fc.record({
    what: fc.constantFrom("asked", "again", "done", "failed", "progress"),
    url: fc.constantFrom(...urls, "http://stranger")
  }),
  fc.record({ what: fc.constantFrom("jobFailed", "cancelled") })
)

const apply = (job: PreheatJob, given: Record<string, unknown>, now: number): void => {
  const url = String(given.url)
  const steps: Record<string, () => void> = {
    resolved: () => job.resolved(image, agents(Number(given.count)), undefined, now),
    asked: () => job.asked(url),
    again: () => job.willAskAgain(url, "why"),
    done: () => job.agentEnded(url, undefined, now),
    failed: () => job.agentEnded(url, "why", now),
    progress: () => job.progressed(url, { done: 1, failed: 0, bytes: 10, fetched: 10, ended: true }),
    jobFailed: () => job.failed("why", now),
    cancelled: () => job.cancelled(now)
  }
  steps[String(given.what)]!()
}

const snapshot = (job: PreheatJob) =>
  JSON.stringify([job.state, job.endedAt, job.message, job.digest, [...job.agents.values()]])

describe("a preheat", () => {
  it("that ended never changes; it is done exactly when every agent is", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const job = newJob()
        for (const [now, given] of steps.entries()) {
          const before = job.ended ? snapshot(job) : undefined
          apply(job, given, now)
          if (before !== undefined) expect(snapshot(job)).toBe(before)
          const states = [...job.agents.values()].map(({ state }) => state)
          const open = states.filter((state) => state === "pending" || state === "running").length
          if (job.state === "running") expect(open).toBeGreaterThan(0)
          if (job.ended) expect(open).toBe(0)
          if (job.state === "done") expect(states.every((state) => state === "done")).toBe(true)
          if (job.state === "failed" && states.length > 0) expect(job.message).toMatch(/why/)
        }
      }),
      { numRuns: 2000 }
    )
  })

  it("counts what a first attempt fetched", () => {
    const job = newJob()
    job.resolved(image, agents(1), undefined, 1)
    job.asked("http://a")
    job.progressed("http://a", { done: 0, failed: 1, bytes: 0, fetched: 7, ended: true })
    job.willAskAgain("http://a", "it broke off")
    job.asked("http://a")
    job.progressed("http://a", { done: 1, failed: 0, bytes: 10, fetched: 0, ended: true })
    job.agentEnded("http://a", undefined, 5)
    expect(job.agents.get("http://a")).toMatchObject({
      attempts: 2,
      bytes: 10,
      fetched: 7,
      message: undefined
    })
    expect([job.state, job.endedAt]).toEqual(["done", 5])
  })
})

describe("the table of preheats", () => {
  const limits = { ...proxyLimits, maxPreheatJobs: 10, maxPreheatRecords: 20 }
  const lifetime = limits.preheatJobLifetime / 1000

  it("forgets jobs that ended long ago, and none that is running", () => {
    const table = makePreheatTable(limits)
    const [ended, running] = [newJob("1"), newJob("2")]
    for (const job of [ended, running]) expect(table.add(job, 0)).toBe(true)
    ended.failed("why", 10)
    expect(table.list(10 + lifetime - 1).map(({ id }) => id)).toEqual(["2", "1"])
    expect(table.get("1", 10 + lifetime)).toBeUndefined()
    expect(table.get("2", 1e12)).toBe(running)
  })

  it("has a limited number of places: the oldest ended job makes room, a running job never", () => {
    const table = makePreheatTable(limits)
    const jobs = Array.from({ length: limits.maxPreheatJobs }, (_, index) => newJob(String(index)))
    for (const job of jobs) expect(table.add(job, 0)).toBe(true)
    expect(table.add(newJob("one more"), 0)).toBe(false)
    for (const index of [7, 3]) jobs[index]!.failed("why", 0)
    expect(table.add(newJob("one more"), 0)).toBe(true)
    expect(table.get("3", 0)).toBeUndefined()
    expect(table.get("7", 0)).toBe(jobs[7])
    expect(table.list(0)).toHaveLength(limits.maxPreheatJobs)
  })

  it("bounds the agents of all jobs together", () => {
    const table = makePreheatTable(limits)
    const many = Array.from({ length: limits.maxPreheatRecords - 10 }, (_, index) => ({
      url: `http://${index}`
    }))
    const large = newJob("large")
    large.resolved(image, many, undefined, 0)
    table.add(large, 0)
    expect(table.hasRoomFor(10, 0)).toBe(true)
    expect(table.hasRoomFor(11, 0)).toBe(false)
    large.cancelled(1)
    expect(table.hasRoomFor(11, 1)).toBe(true)
    expect(table.get("large", 1)).toBeUndefined()
  })
})
