// The fluid bound of hosts that want different blobs at the same time: no protocol serves the last of them before it,
// with whatever pieces. Nothing here is measured.
//
// In a time T, over links of rate R each way:
//
//   hosts    A host that wants W bytes receives them on its downlink:  T >= W / R.
//   origins  The first copy of every byte comes from an owner of its blob. So for every set S of origins, the blobs
//            whose owners are all in S leave over the uplinks of S:  T >= sum of their bytes / (|S| R).
//   uplinks  If hosts send only what they want themselves, all further copies of a blob leave over the uplinks of its
//            owners and of the n(b) hosts that want it; these hosts send at most (n(b) - 1) L(b) between them.
//
// The first two are the bound. The third adds nothing when all links are equal, so that the bound is also the optimum
// of the linear program of all three: by max-flow min-cut, the copies beyond the first fit on the uplinks of hosts
// unless some set B of blobs has  sum over B of (n(b) - 1) L(b) > |hosts that want one of B| R T.  The left side is
// less than the bytes of B that these hosts receive, and each of them receives at most R T. (fluid-bound.test.ts solves
// the program and compares.)
//
// The bound does not count that a piece must be whole before it goes on, that a host sends only what it has received,
// nor the messages. Latency: nothing arrives earlier than one latency after it was sent.

import { invariant } from "../../src/protocol/kit/invariant.ts"

export interface FluidCrowd {
  /** Bytes, by blob. */
  readonly lengths: ReadonlyArray<number>
  /** By blob: the origins that have it, by number from 0 on. */
  readonly owners: ReadonlyArray<ReadonlyArray<number>>
  readonly origins: number
  /** By host: the blobs that it wants. */
  readonly wants: ReadonlyArray<ReadonlyArray<number>>
  /** Bytes per second of every host, each way. */
  readonly rate: number
  /** Seconds from one host to another. */
  readonly latency: number
}

/** The most origins of which every set is looked at. */
export const maxOrigins = 12

/** The least seconds in which this host can have what it wants, whatever the others do. */
export const ownFloor = ({ lengths, wants, rate, latency }: FluidCrowd, host: number): number => {
  const bytes = wants[host]!.reduce((sum, blob) => sum + lengths[blob]!, 0)
  return bytes === 0 ? 0 : bytes / rate + latency
}

/** The least seconds in which the origins can send everything once. */
export const originsFloor = ({ lengths, owners, origins, rate, latency }: FluidCrowd): number => {
  invariant(origins <= maxOrigins, `fluid bound: at most ${maxOrigins} origins, not ${origins}`)
  const sets = owners.map((own) => own.reduce((set, origin) => set | (1 << origin), 0))
  let floor = 0
  for (let among = 1; among < 1 << origins; among++) {
    const bytes = lengths.reduce(
      (sum, length, blob) => ((sets[blob]! & ~among) === 0 ? sum + length : sum),
      0
    )
    const members = Array.from({ length: origins }, (_, origin) => (among >> origin) & 1)
    floor = Math.max(floor, bytes / rate / members.reduce((sum, member) => sum + member, 0))
  }
  return floor === 0 ? 0 : floor + latency
}

/** The least seconds until the last host has what it wants. */
export const fluidMakespan = (crowd: FluidCrowd): number =>
  crowd.wants.reduce((most, _, host) => Math.max(most, ownFloor(crowd, host)), originsFloor(crowd))
