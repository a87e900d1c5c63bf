// Announces of one member of a swarm: when the next one is due, and with which event.
//
//               announced                completed
//   [joining] ------------> [downloading] -------> [complete]
//       |  \_________________completed________________^ |
//       |                        |                      |
//       +--------- left ---------+-------- left --------+----> [left] -- "stopped" was tried once --> nothing due
//
//   joining      due at once; after a failure, after a backoff downloading  due secondAnnounceDelay after the first,
//   then at every interval of the tracker (clamped to the limits);
//                sooner with few neighbours
//   complete     due at once, then every interval
//   left         "stopped" is due at once, unless the member never announced itself
//
// Invariants: there is one announce at a time; announces are at least minAnnounceInterval apart, except the second, the
// first "complete" and "stopped", which happen once; until the member has left, an announce is in progress or due
// within maxAnnounceInterval. Intervals are shortened by up to an eighth at random, so that hosts that joined together
// do not announce together. It does not know trackers, or how an announce is sent.

import { backoffDelay } from "../kit/backoff.ts"
import { invariant } from "../kit/invariant.ts"
import type { RandomSource } from "../kit/random-source.ts"
import { type Micros, milliseconds } from "../kit/time.ts"
import { limits } from "../limits.ts"

/** Event of an announce. */
export type AnnounceEvent = "downloading" | "complete" | "stopped"

export type AnnouncePhase = "joining" | "downloading" | "complete" | "left"

const backoffRange = { min: limits.minAnnounceBackoff, max: limits.maxAnnounceBackoff }

export class AnnounceSchedule {
  #phase: AnnouncePhase
  #due: Micros | undefined
  #underWay: AnnounceEvent | undefined
  #lastBegun: Micros | undefined
  #failures = 0
  readonly #secondDelay: Micros

  /** A member that joins at `now`, `complete` when it has every piece. Experiments vary `secondDelay`. */
  constructor(complete: boolean, now: Micros, secondDelay: Micros = limits.secondAnnounceDelay) {
    this.#secondDelay = secondDelay
    this.#phase = complete ? "complete" : "joining"
    this.#due = now
  }

  get phase(): AnnouncePhase {
    return this.#phase
  }

  /** When the next announce is due, which may have passed; undefined during an announce and after the last one. */
  get nextAnnounceAt(): Micros | undefined {
    return this.#underWay === undefined ? this.#due : undefined
  }

  /** Begins an announce that is due, and returns its event. It must be followed by succeeded or failed. */
  begun(now: Micros): AnnounceEvent {
    invariant(this.#underWay === undefined, "announce schedule: an announce is under way")
    invariant(this.#due !== undefined && this.#due <= now, "announce schedule: no announce is due")
    this.#underWay =
      this.#phase === "left" ? "stopped" : this.#phase === "complete" ? "complete" : "downloading"
    this.#lastBegun = now
    this.#due = undefined
    return this.#underWay
  }

  /** The tracker has answered, and wants the next announce after `intervalMilliseconds`. */
  succeeded(intervalMilliseconds: number, now: Micros, random: RandomSource): void {
    const event = this.#ended()
    this.#failures = 0
    const joined = this.#phase === "joining"
    if (joined) this.#phase = "downloading"
    if (this.#overtaken(event)) this.#due = now
    else if (joined) this.#due = now + this.#secondDelay - random.nextInt(Math.max(1, this.#secondDelay >> 1))
    else if (event !== "stopped") this.#due = now + jittered(clampInterval(intervalMilliseconds), random)
  }

  /** No tracker has answered. */
  failed(now: Micros, random: RandomSource): void {
    const event = this.#ended()
    const delay = backoffDelay(this.#failures, backoffRange, random)
    this.#failures++
    if (this.#overtaken(event)) this.#due = now
    else if (event !== "stopped") this.#due = now + delay
  }

  /** The member has all pieces. */
  completed(now: Micros): void {
    if (this.#phase === "complete" || this.#phase === "left") return
    this.#phase = "complete"
    if (this.#underWay === undefined) this.#due = now
  }

  /** The member has few neighbours: it announces as soon as the floor allows, unless it backs off. */
  fewNeighbours(now: Micros): void {
    if (this.#phase !== "downloading" || this.#failures > 0) return
    if (this.#due === undefined || this.#lastBegun === undefined) return
    this.#due = Math.min(this.#due, Math.max(now, this.#lastBegun + limits.minAnnounceInterval))
  }

  /** The member leaves the swarm. Only its "stopped" may follow. */
  left(now: Micros): void {
    if (this.#phase === "left") return
    this.#phase = "left"
    this.#due = this.#lastBegun === undefined ? undefined : now
  }

  #ended(): AnnounceEvent {
    const event = this.#underWay
    invariant(event !== undefined, "announce schedule: no announce is under way")
    this.#underWay = undefined
    return event
  }

  /** Whether the event became outdated during its announce; then the current one is due at once. */
  #overtaken(event: AnnounceEvent): boolean {
    if (this.#phase === "left") return event !== "stopped"
    return this.#phase === "complete" && event === "downloading"
  }
}

const clampInterval = (intervalMilliseconds: number): Micros => {
  const { minAnnounceInterval, maxAnnounceInterval } = limits
  return Math.min(Math.max(milliseconds(intervalMilliseconds), minAnnounceInterval), maxAnnounceInterval)
}

const jittered = (interval: Micros, random: RandomSource): Micros => {
  const shortest = Math.max(limits.minAnnounceInterval, interval - Math.floor(interval / 8))
  return interval - random.nextInt(interval - shortest + 1)
}
