// Decides where a simulation's chance comes from: seedrandom's Alea, one stream a component, split from the seed by
// the component's name, so that one more draw in one place moves nothing elsewhere.

import type { Random } from "effect"
import seedrandom from "seedrandom"
import type { RandomSource } from "../../protocol/kit/random-source.ts"

/** One component's stream, as a machine and as Effect's Random see it. */
export interface RandomStream extends RandomSource {
  readonly service: Random.Random
  /** `bytes` bytes in lower-case hex. */
  readonly nextHex: (bytes: number) => string
}

/** The stream `name` of a simulation's seed; the same arguments give the same stream. */
export const randomStream = (seed: string, name: string): RandomStream => new AleaStream(`${seed}/${name}`)

/** Both faces in one object: a simulation has a stream for every host. */
class AleaStream implements RandomStream, Random.Random {
  readonly #draw: seedrandom.PRNG

  constructor(seed: string) {
    this.#draw = seedrandom.alea(seed)
  }

  get service(): Random.Random {
    return this
  }

  nextInt(bound: number): number {
    return Math.floor(this.#draw() * bound)
  }

  nextHex(bytes: number): string {
    let text = ""
    for (let index = 0; index < bytes; index++) {
      text += Math.floor(this.#draw() * 256)
        .toString(16)
        .padStart(2, "0")
    }
    return text
  }

  nextDoubleUnsafe(): number {
    return this.#draw.double()
  }

  nextIntUnsafe(): number {
    return (
      Math.floor(this.nextDoubleUnsafe() * (Number.MAX_SAFE_INTEGER - Number.MIN_SAFE_INTEGER + 1)) +
      Number.MIN_SAFE_INTEGER
    )
  }
}
