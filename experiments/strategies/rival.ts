// Decides what a rival's machine is: one object a host that is told what happened and says what to do, in numbers. It
// knows no network, no clock and no disk; whatever it needs of the world is in RivalIo. A machine is called from events
// only, one call at a time, and what it asks for happens later.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"

/** A connection's number at one host, counted from 0 in the order in which they were made; never used again. */
export type LinkNumber = number

/** What a machine may ask of its host. */
export interface RivalIo {
  /** Its own number. */
  readonly host: number
  readonly now: Micros
  readonly random: RandomSource
  readonly dial: (host: number) => LinkNumber
  /** Ends a connection after what was sent. */
  readonly close: (link: LinkNumber) => void
  /** Sends two numbers: kind from 1 to 31, argument below 2^25. `bytes` on the wire. */
  readonly say: (link: LinkNumber, kind: number, argument: number, bytes: number) => void
  /** Sends what does not fit into two numbers; never changed afterwards. */
  readonly tell: (link: LinkNumber, body: object, bytes: number) => void
  /** Reads a piece from disk and sends it. */
  readonly upload: (link: LinkNumber, piece: number) => void
  /** Verifies and writes a piece that arrived; at most once a piece. */
  readonly store: (piece: number) => void
  /** `timer`: an integer of the machine's own. */
  readonly wakeAt: (at: Micros, timer: number) => void
}

/** What a machine is told. What a machine does not override means nothing to it. */
export abstract class RivalMachine {
  /** The wave begins: an agent wants the image. */
  started(): void {}
  /** Another host dialled. */
  accepted(_link: LinkNumber, _from: number): void {}
  /** The own dial succeeded. */
  opened(_link: LinkNumber): void {}
  said(_link: LinkNumber, _kind: number, _argument: number): void {}
  told(_link: LinkNumber, _body: object): void {}
  /** A piece came; it is not stored yet. */
  arrived(_link: LinkNumber, _piece: number): void {}
  /** A piece has left this host. */
  uploaded(_link: LinkNumber, _piece: number): void {}
  stored(_piece: number): void {}
  woken(_timer: number): void {}
  /** The other end is gone, or the own close is done. */
  closed(_link: LinkNumber): void {}
}
