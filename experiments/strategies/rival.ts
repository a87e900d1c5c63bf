// The machine of a rival: one object per host, which receives events and requests actions, in numbers. It knows no
// network, no clock and no disk; RivalIo gives it what it needs. Invariants: events call a machine one at a time; the
// actions that it requests happen later, never inside of the call.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"

/** Number of a connection at one host, counted from 0 in the order in which they were made and never used again. */
export type LinkNumber = number

/** Actions that a machine may request from its host. */
export interface RivalIo {
  /** Number of the host. */
  readonly host: number
  readonly now: Micros
  readonly random: RandomSource
  readonly dial: (host: number) => LinkNumber
  /** Ends a connection after everything that was sent before. */
  readonly close: (link: LinkNumber) => void
  /** Sends two numbers: a kind from 1 to 30 and an argument below 2^25. `bytes` is the size on the wire. */
  readonly say: (link: LinkNumber, kind: number, argument: number, bytes: number) => void
  /** Sends a message that does not fit into two numbers. The body must not change afterwards. */
  readonly tell: (link: LinkNumber, body: object, bytes: number) => void
  /** Reads a piece from disk and sends it. */
  readonly upload: (link: LinkNumber, piece: number) => void
  /** Verifies and writes a piece that arrived, each piece at most once. */
  readonly store: (piece: number) => void
  /** Wakes the machine. `timer` is a number that the machine chooses. */
  readonly wakeAt: (at: Micros, timer: number) => void
}

/** Events of a machine. A machine ignores those that it does not override. */
export abstract class RivalMachine {
  /** The flash crowd begins: an agent wants the image. */
  started(): void {}
  /** Another host dialled. */
  accepted(_link: LinkNumber, _from: number): void {}
  /** A dial of this machine succeeded. */
  opened(_link: LinkNumber): void {}
  said(_link: LinkNumber, _kind: number, _argument: number): void {}
  told(_link: LinkNumber, _body: object): void {}
  /** A piece arrived; it is not stored yet. */
  arrived(_link: LinkNumber, _piece: number): void {}
  /** A piece has left this host. */
  uploaded(_link: LinkNumber, _piece: number): void {}
  stored(_piece: number): void {}
  woken(_timer: number): void {}
  /** The other end is gone, or the close of this end is complete. */
  closed(_link: LinkNumber): void {}
}
