// The log's account of pulls that failed: the blob, why, and how much of it is there. Clients that wait for one blob
// fail together, each with the reason in its own answer, so a blob is told once within a pause.
//
// Invariant: it remembers at most maxFailuresTold blobs. It ends nothing.

import { Effect } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { OpenSwarm } from "../peer/open-swarm.ts"
import type { Timers } from "../services/timers.ts"
import type { AgentLimits } from "./limits.ts"
import { RecentMap } from "./recent-map.ts"

export class PullFailures {
  /** When the blob was told last. */
  readonly #told: RecentMap<Micros>
  readonly #pause: Micros
  readonly #now: Timers["Service"]["now"]

  constructor({ maxFailuresTold, failureToldPause }: AgentLimits, { now }: Timers["Service"]) {
    this.#told = new RecentMap(maxFailuresTold)
    this.#pause = failureToldPause
    this.#now = now
  }

  /** Without a swarm nothing of the blob is known, not even its length. */
  tell(namespace: string, digest: Digest, cause: string, swarm?: OpenSwarm): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = this.#now()
      const before = this.#told.peek(digest)
      if (before !== undefined && now - before < this.#pause) return Effect.void
      this.#told.set(digest, now)
      const pieces = swarm === undefined ? "none" : `${swarm.have.count} of ${swarm.have.length}`
      return Effect.annotateLogs(Effect.logWarning("a pull failed:", cause), { namespace, digest, pieces })
    })
  }
}
