// Pieces that the uploader has asked the store for and that it has not answered: few, so a search reads all of them.
//
// Invariant: a piece is in here once, from the question to the answer.

import { invariant } from "../kit/invariant.ts"
import { removeAt } from "../kit/remove-at.ts"
import type { SwarmId } from "../wire/message.ts"
import type { UploadJob } from "./upload-job.ts"

interface PieceLoad {
  readonly swarm: SwarmId
  readonly piece: number
}

export class PieceLoads {
  readonly #loads: PieceLoad[] = []

  has(swarm: SwarmId, piece: number): boolean {
    return this.#find(swarm, piece) >= 0
  }

  asked(swarm: SwarmId, piece: number): void {
    this.#loads.push({ swarm, piece })
  }

  answered(swarm: SwarmId, piece: number): void {
    const index = this.#find(swarm, piece)
    invariant(index >= 0, `uploader: piece ${piece} was loaded but not asked for`)
    removeAt(this.#loads, index)
  }

  /** Number of loads that none of the jobs waits for any more. */
  unawaited(jobs: readonly UploadJob[]): number {
    let count = 0
    for (const load of this.#loads) if (!isAwaited(load, jobs)) count++
    return count
  }

  /** The place of a load, or -1. */
  #find(swarm: SwarmId, piece: number): number {
    const loads = this.#loads
    for (let index = 0; index < loads.length; index++) {
      if (loads[index]!.piece === piece && loads[index]!.swarm === swarm) return index
    }
    return -1
  }
}

const isAwaited = ({ swarm, piece }: PieceLoad, jobs: readonly UploadJob[]): boolean => {
  for (const job of jobs) {
    if (job.state === "loading" && job.piece === piece && job.swarm.id === swarm) return true
  }
  return false
}
