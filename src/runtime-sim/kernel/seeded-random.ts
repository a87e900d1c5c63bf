// The randomness of a simulation: seedrandom's Alea, with one stream per component. The component's name splits its
// stream from the seed, so that one more draw in one place changes nothing elsewhere.

import type { Random } from "effect"
import seedrandom from "seedrandom"
import type { RandomSource } from "../../protocol/kit/random-source.ts"

/** The stream of one component, in the forms that machines and Effect's Random expect. */
export interface RandomStream extends RandomSource {
  readonly service: Random.Random
  /** `bytes` random bytes in lower-case hex. */
  readonly nextHex: (bytes: number) => string
}

/** The stream `name` of a simulation's seed. Equal arguments give equal streams. */
export const randomStream = (seed: string, name: string): RandomStream => new AleaStream(`${seed}/${name}`)

/** Both forms are one object, because a simulation has a stream per host. */
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
