// Decides which frames are lost on their way and how long the connection takes to notice: each copy of a frame is lost
// with the same probability, whatever its size, and is sent again after a timeout (a reliable connection's; it does not
// grow from copy to copy). What follows on the connection waits, since connections deliver in order.
//
// Dials and resets are not frames. Without a probability there is no FrameLoss, and no chance is drawn.

import { NetworkRefused } from "./link-model.ts"
import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"

export interface FrameLossOptions {
  /** Of each copy of each frame, 0 <= probability < 1. */
  readonly probability: number
  /** From a copy's loss until it is sent again; 200 ms unless given. */
  readonly timeout?: Micros | undefined
}

const defaultTimeout: Micros = 200_000
/** Probabilities are multiples of one in so many. */
const grain = 0x40000000

export class FrameLoss {
  readonly timeout: Micros
  readonly #threshold: number
  readonly #random: RandomSource

  /** Throws NetworkRefused for a probability that is none, or with which nothing ever arrives. */
  constructor({ probability, timeout = defaultTimeout }: FrameLossOptions, random: RandomSource) {
    if (!(probability >= 0 && probability < 1)) {
      const message = `frames cannot be lost with probability ${probability}: give a number from 0 to below 1`
      throw new NetworkRefused({ message })
    }
    this.timeout = timeout
    this.#threshold = Math.round(probability * grain)
    this.#random = random
  }

  /** How many copies of the next frame are lost before one arrives. */
  lostCopies(): number {
    let copies = 0
    while (this.#random.nextInt(grain) < this.#threshold) copies++
    return copies
  }
}
