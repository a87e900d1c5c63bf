// Decides what of an agent's disk may go, and when: the account of what each blob takes, who needs it now, and when it
// was used last. A plain machine: facts in, one decision out; it touches no disk and knows no clock.
//
//   a blob: absent -- bytes come --> idle <--- hold, release ---> held (being read)
//              ^                      ^ | \___ admit, leave ____> underway (being downloaded)
//              |                      | +-- victim ------------> evicting -- evicted --> absent
//              |                      +---------- spared ----------+
//
//   the account: calm -- used > high --> draining -- used <= low, or <= high and all in use --> calm
//
// Invariants: what is held and whole, underway or evicting is never a victim; the victim is the blob that was used
// longest ago; there is none while calm; a download is admitted only if it fits the budget together with all that may
// not go now, each download counted whole. So what is in use when a download begins never exceeds the budget; what
// was idle then and is read, or cannot go because peers are sent it, can make the sum exceed it. Therefore all that is
// there and all that is still to come never exceed twice the budget when a download begins.

import type { Digest } from "../../protocol/wire/digest.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { KeptBlob, StoreUsage } from "../services/blob-store.ts"

/** Bytes: what may be used, above what it drains, and down to what. */
export interface DiskRules {
  readonly budget: number
  readonly high: number
  readonly low: number
}

interface Account {
  readonly digest: Digest
  bytes: number
  complete: boolean
  /** Milliseconds since 1970; `notedAt` is what the store has noted of it. */
  usedAt: number
  notedAt: number
  /** Readers of it. */
  holds: number
  /** Who wants it downloaded, and the bytes that it will have then. */
  downloads: number
  expected: number
  evicting: boolean
}

export type Admission = "admitted" | "no-room" | "too-large"

export class DiskLedger {
  readonly rules: DiskRules
  readonly #accounts = new Map<Digest, Account>()
  #kept = 0
  #other = 0
  #draining = false
  /** Unfinished downloads that leave no room for what is wanted of themselves: they go, and begin afresh. */
  readonly #outgrown = new Set<Digest>()

  constructor(rules: DiskRules) {
    invariant(0 < rules.low && rules.low < rules.high && rules.high <= rules.budget, "disk ledger: rules")
    this.rules = rules
  }

  /** Bytes on the disk, what belongs to no blob included. */
  get used(): number {
    return this.#kept + this.#other
  }

  /** Bytes that blobs may take. */
  get capacity(): number {
    return this.rules.budget - this.#other
  }

  /** Bytes that may not go now, with downloads as long as they will be. */
  get committed(): number {
    let sum = 0
    for (const account of this.#accounts.values()) {
      if (isUnderway(account)) sum += Math.max(account.expected, account.bytes)
      else if (isHeld(account)) sum += account.bytes
    }
    return sum
  }

  /** Whether something should go. */
  get isPressed(): boolean {
    return this.#isFull || this.#outgrown.size > 0
  }

  get #isFull(): boolean {
    return this.used > (this.#draining ? this.rules.low : this.rules.high)
  }

  isEvicting(digest: Digest): boolean {
    return this.#accounts.get(digest)?.evicting ?? false
  }

  /** The store was looked at whole: what it did not name is not there. */
  surveyed({ kept, other }: StoreUsage): void {
    const seen = new Set(kept.map(({ digest }) => digest))
    for (const digest of [...this.#accounts.keys()]) if (!seen.has(digest)) this.missing(digest)
    for (const blob of kept) this.measured(blob)
    this.#other = other
  }

  measured({ digest, bytes, complete, usedAt }: KeptBlob): void {
    const account = this.#accountOf(digest)
    this.#setBytes(account, bytes)
    account.complete = complete
    if (complete) this.#outgrown.delete(digest)
    account.usedAt = Math.max(account.usedAt, usedAt)
    account.notedAt = Math.max(account.notedAt, usedAt)
  }

  /** The store has nothing of it. */
  missing(digest: Digest): void {
    const account = this.#accounts.get(digest)
    if (account === undefined) return
    this.#setBytes(account, 0)
    account.complete = false
    this.#outgrown.delete(digest)
    this.#dropIfEmpty(account)
  }

  /** Pieces of a download were stored. */
  grew(digest: Digest, bytes: number, now: number): void {
    const account = this.#accountOf(digest)
    this.#setBytes(account, account.bytes + bytes)
    account.usedAt = Math.max(account.usedAt, now)
  }

  touched(digest: Digest, now: number): void {
    const account = this.#accounts.get(digest)
    if (account !== undefined) account.usedAt = Math.max(account.usedAt, now)
  }

  /** The download is whole, its digest checked. */
  completed(digest: Digest): void {
    this.#accountOf(digest).complete = true
    this.#outgrown.delete(digest)
  }

  /** Someone reads it; not while it is being evicted. Followed by release. */
  hold(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    invariant(!account.evicting, "disk ledger: a blob is held that is being evicted")
    account.holds++
    account.usedAt = Math.max(account.usedAt, now)
  }

  release(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    account.holds--
    invariant(account.holds >= 0, "disk ledger: a blob is released that nobody holds")
    account.usedAt = Math.max(account.usedAt, now)
    this.#dropIfEmpty(account)
  }

  /**
   * Begins to download `more` bytes of a blob of `length` bytes, beside what is there and what others want of it, if
   * there is room; if admitted, followed by leave.
   */
  admit(digest: Digest, length: number, more: number): Admission {
    const asked = Math.min(length, more)
    if (asked > this.capacity) return "too-large"
    const account = this.#accountOf(digest)
    if (account.evicting) return "no-room"
    if (!account.complete) {
      const before = account.downloads > 0 ? account.expected : 0
      const expected = Math.min(length, Math.max(before, account.bytes) + asked)
      if (expected > before && !this.#hasRoom(account, expected)) {
        this.#dropIfEmpty(account)
        return "no-room"
      }
      account.expected = Math.max(before, expected)
    }
    account.downloads++
    return "admitted"
  }

  #hasRoom(account: Account, expected: number): boolean {
    if (expected > this.capacity) {
      this.#outgrown.add(account.digest)
      return false
    }
    const claim = Math.max(expected, account.bytes)
    const own = isUnderway(account) ? Math.max(account.expected, account.bytes) : 0
    if (this.committed - own + claim > this.capacity) return false
    return this.#kept + this.#toCome + claim - Math.max(own, account.bytes) <= 2 * this.capacity
  }

  /** Bytes of the downloads that are not here yet. */
  get #toCome(): number {
    let sum = 0
    for (const account of this.#accounts.values()) {
      if (isUnderway(account)) sum += Math.max(0, account.expected - account.bytes)
    }
    return sum
  }

  leave(digest: Digest): void {
    const account = this.#accountOf(digest)
    account.downloads--
    if (account.downloads === 0) account.expected = 0
    invariant(account.downloads >= 0, "disk ledger: a download ends that did not begin")
    this.#dropIfEmpty(account)
  }

  /** What should go next, which is evicting from now on; `passOver` names those that just could not go. */
  victim(passOver: ReadonlySet<Digest>): Digest | undefined {
    const victim = this.#chooseOutgrown(passOver) ?? this.#chooseOldest(passOver)
    if (victim !== undefined) victim.evicting = true
    return victim?.digest
  }

  #chooseOutgrown(passOver: ReadonlySet<Digest>): Account | undefined {
    for (const digest of this.#outgrown) {
      const account = this.#accounts.get(digest)
      if (account !== undefined && mayGo(account) && !passOver.has(digest)) return account
    }
    return undefined
  }

  #chooseOldest(passOver: ReadonlySet<Digest>): Account | undefined {
    this.#draining = this.#isFull
    if (!this.#draining) return undefined
    let oldest: Account | undefined
    for (const account of this.#accounts.values()) {
      if (!mayGo(account) || passOver.has(account.digest)) continue
      if (oldest === undefined || account.usedAt < oldest.usedAt) oldest = account
    }
    // All that is left is in use. Below the upper mark there is no need to wait for it.
    if (oldest === undefined) this.#draining = this.used > this.rules.high
    return oldest
  }

  /** The victim is gone. */
  evicted(digest: Digest): void {
    this.#accountOf(digest).evicting = false
    this.missing(digest)
  }

  /** The victim could not go: it is in use after all. */
  spared(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    account.evicting = false
    account.usedAt = Math.max(account.usedAt, now)
  }

  /** Uses that the store has not noted; they count as noted from now on. */
  takeUnnotedUses(): ReadonlyArray<{ readonly digest: Digest; readonly usedAt: number }> {
    const uses: Array<{ readonly digest: Digest; readonly usedAt: number }> = []
    for (const account of this.#accounts.values()) {
      if (account.bytes === 0 || account.usedAt <= account.notedAt) continue
      account.notedAt = account.usedAt
      uses.push({ digest: account.digest, usedAt: account.usedAt })
    }
    return uses
  }

  #accountOf(digest: Digest): Account {
    let account = this.#accounts.get(digest)
    if (account === undefined) {
      account = {
        digest,
        bytes: 0,
        complete: false,
        usedAt: 0,
        notedAt: 0,
        holds: 0,
        downloads: 0,
        expected: 0,
        evicting: false
      }
      this.#accounts.set(digest, account)
    }
    return account
  }

  #setBytes(account: Account, bytes: number): void {
    this.#kept += bytes - account.bytes
    account.bytes = bytes
  }

  #dropIfEmpty(account: Account): void {
    const { bytes, holds, downloads, evicting } = account
    if (bytes > 0 || holds > 0 || downloads > 0 || evicting) return
    this.#accounts.delete(account.digest)
    this.#outgrown.delete(account.digest)
  }
}

/** A reader keeps what is whole; of what is not, only its download does. */
const isHeld = ({ holds, complete }: Account): boolean => holds > 0 && complete

const isUnderway = ({ downloads, complete }: Account): boolean => downloads > 0 && !complete

const mayGo = (account: Account): boolean =>
  account.bytes > 0 && !account.evicting && !isHeld(account) && !isUnderway(account)
