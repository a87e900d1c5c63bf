// The life of one preheat: its order, the agents that it asks, and their progress. Pure; preheat-jobs.ts asks the
// agents.
//
//   job:    resolving --image and agents known--> running --every agent ended--> done (all have it) | failed (some not)
//              \--image unknown, no agent-----------------------------------------> failed
//           resolving | running --cancelled--> cancelled
//   agent:  pending --asked--> running --> done | failed     (asked again after a failure: running again)
//           pending | running --the job was cancelled--> cancelled
//
// Invariants: a job that ended never changes; it is done exactly when every agent is done.

import type { Digest } from "../../protocol/wire/digest.ts"
import type { PreheatContent, PreheatProgress } from "../client/preheat-wire.ts"
import type { AgentRegistration } from "../client/registration-wire.ts"
import { formatImage, type OrderScope, type PreheatOrder } from "./preheat-order.ts"

export interface PreheatedAgent extends AgentRegistration {
  state: "pending" | "running" | "done" | "failed" | "cancelled"
  /** Number of times that it was asked. */
  attempts: number
  /** Contents that it has, and that it could not get. */
  done: number
  failed: number
  /** Bytes of those that it has, and of those among them that it had to fetch. */
  bytes: number
  fetched: number
  /** The reason why it failed, or why it is asked again. */
  message: string | undefined
}

export class PreheatJob {
  readonly id: string
  readonly image: string
  readonly platforms: ReadonlyArray<string>
  readonly scope: OrderScope
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  #state: "resolving" | "running" | "done" | "failed" | "cancelled" = "resolving"
  #endedAt: number | undefined
  /** The reason why it failed, or a note for readers. */
  #message: string | undefined
  #digest: Digest | undefined
  #contents: ReadonlyArray<PreheatContent> = []
  readonly #agents = new Map<string, PreheatedAgent>()
  /** Agents that have not ended. */
  #open = 0

  constructor(id: string, order: PreheatOrder, scope: OrderScope, now: number) {
    this.id = id
    this.image = formatImage(order)
    this.platforms = order.platforms
    this.scope = scope
    this.startedAt = now
  }

  get state() {
    return this.#state
  }
  get endedAt() {
    return this.#endedAt
  }
  get message() {
    return this.#message
  }
  get digest() {
    return this.#digest
  }
  get contents() {
    return this.#contents
  }
  get agents(): ReadonlyMap<string, Readonly<PreheatedAgent>> {
    return this.#agents
  }
  get ended(): boolean {
    return this.#endedAt !== undefined
  }

  /** The name resolved to a digest, and the agents are chosen. */
  resolved(
    image: { readonly digest: Digest; readonly contents: ReadonlyArray<PreheatContent> },
    agents: ReadonlyArray<AgentRegistration>,
    message: string | undefined,
    now: number
  ): void {
    if (this.#state !== "resolving") return
    this.#state = "running"
    this.#digest = image.digest
    this.#contents = image.contents
    this.#message = message
    for (const agent of agents) {
      const nothing = { attempts: 0, done: 0, failed: 0, bytes: 0, fetched: 0, message: undefined }
      this.#agents.set(agent.url, { ...agent, state: "pending", ...nothing })
    }
    this.#open = this.#agents.size
    this.#endWhenAllDid(now)
  }

  asked(url: string): void {
    const agent = this.#openAgent(url)
    if (agent === undefined) return
    agent.state = "running"
    agent.attempts++
  }

  progressed(url: string, progress: PreheatProgress): void {
    const agent = this.#openAgent(url)
    if (agent === undefined) return
    agent.done = progress.done
    agent.failed = progress.failed
    agent.bytes = progress.bytes
    // A second attempt already has what the first one fetched.
    agent.fetched = Math.max(agent.fetched, progress.fetched)
  }

  /** The agent failed and is asked once more. */
  willAskAgain(url: string, why: string): void {
    const agent = this.#openAgent(url)
    if (agent !== undefined) agent.message = why
  }

  agentEnded(url: string, failure: string | undefined, now: number): void {
    const agent = this.#openAgent(url)
    if (agent === undefined) return
    agent.state = failure === undefined ? "done" : "failed"
    agent.message = failure
    this.#open--
    this.#endWhenAllDid(now)
  }

  /** The image or the agents could not be found. */
  failed(message: string, now: number): void {
    if (this.#state === "resolving") this.#end("failed", now, message)
  }

  cancelled(now: number): void {
    if (this.ended) return
    for (const agent of this.#agents.values()) {
      if (agent.state === "pending" || agent.state === "running") agent.state = "cancelled"
    }
    this.#end("cancelled", now, this.#message)
  }

  #openAgent(url: string): PreheatedAgent | undefined {
    const agent = this.#state === "running" ? this.#agents.get(url) : undefined
    return agent?.state === "pending" || agent?.state === "running" ? agent : undefined
  }

  #endWhenAllDid(now: number): void {
    if (this.#open > 0) return
    const failures = [...this.#agents.values()].filter(({ state }) => state === "failed")
    const [first] = failures
    if (first === undefined) this.#end("done", now, this.#message)
    else {
      const failed = `${failures.length} of ${this.#agents.size} agents failed`
      this.#end("failed", now, `${failed}; ${first.url}: ${first.message}`)
    }
  }

  #end(state: "done" | "failed" | "cancelled", now: number, message: string | undefined): void {
    if (this.ended) return
    this.#state = state
    this.#endedAt = now
    this.#message = message
  }
}
