// Random loss of frames: each copy of a frame is lost with the same probability, whatever its size, and is sent again
// after a timeout (that of a reliable connection; it does not grow from copy to copy). Frames behind it on the
// connection wait, because connections deliver in order.
//
// Dials and resets are not frames. Without a probability there is no FrameLoss, and no random number is drawn.

import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { NetworkRefused } from "./link-model.ts"

export interface FrameLossOptions {
  /** Per copy of a frame, 0 <= probability < 1. */
  readonly probability: number
  /** Time from the loss of a copy until it is sent again; 200 ms when absent. */
  readonly timeout?: Micros | undefined
}

const defaultTimeout: Micros = 200_000
/** Probabilities are multiples of 1 / grain. */
const grain = 0x40000000

export class FrameLoss {
  readonly timeout: Micros
  readonly #threshold: number
  readonly #random: RandomSource

  /** Throws NetworkRefused for a number that is no probability, or with which nothing ever arrives. */
  constructor({ probability, timeout = defaultTimeout }: FrameLossOptions, random: RandomSource) {
    if (!(probability >= 0 && probability < 1)) {
      const message = `frames cannot be lost with probability ${probability}: give a number from 0 to below 1`
      throw new NetworkRefused({ message })
    }
    this.timeout = timeout
    this.#threshold = Math.round(probability * grain)
    this.#random = random
  }

  /** Number of copies of the next frame that are lost before one arrives. */
  lostCopies(): number {
    let copies = 0
    while (this.#random.nextInt(grain) < this.#threshold) copies++
    return copies
  }
}
