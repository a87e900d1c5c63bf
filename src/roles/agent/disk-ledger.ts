// Disk ledger of an agent: how much each blob takes, who needs it now, when it was last used, and which blob to evict
// next. A pure state machine: facts go in, one decision comes out. It touches no disk and reads no clock.
//
//   a blob: absent -- bytes come --> idle <--- hold, release ---> held (being read)
//              ^                      ^ | \___ admit, leave ____> underway (being downloaded)
//              |                      | +-- victim ------------> evicting -- evicted --> absent
//              |                      +---------- spared ----------+
//
//   the account: calm -- used > high --> draining -- used <= low, or <= high and all in use --> calm
//
// Invariants: a whole blob that is held, a download that is underway and a blob that is being evicted are never
// victims. The victim is the least recently used blob; there is none while the account is calm. A download is
// admitted only if it fits the budget together with everything that cannot be evicted now, each download counted at
// its expected length. So the bytes in use never exceed the budget when a download begins. Blobs that were idle then
// may be read or sent to peers later, so the sum can exceed the budget; but what is present and what is still to come
// never exceed twice the budget when a download begins.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { KeptBlob, StoreUsage } from "../services/blob-store.ts"

/** In bytes: the budget, the level above which eviction begins, and the level at which it ends. */
export interface DiskRules {
  readonly budget: number
  readonly high: number
  readonly low: number
}

interface Account {
  readonly digest: Digest
  bytes: number
  complete: boolean
  /** Milliseconds since 1970; `notedAt` is the use that the store has recorded. */
  usedAt: number
  notedAt: number
  /** Number of readers. */
  holds: number
  /** Number of downloads of it, and its bytes when they are done; both are 0 while there is none. */
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
  /** Unfinished downloads that leave no room for the rest of their own blob: they are evicted and start again. */
  readonly #outgrown = new Set<Digest>()

  constructor(rules: DiskRules) {
    invariant(0 < rules.low && rules.low < rules.high && rules.high <= rules.budget, "disk ledger: rules")
    this.rules = rules
  }

  /** Bytes on the disk, including those that belong to no blob. */
  get used(): number {
    return this.#kept + this.#other
  }

  /** Number of blobs with an account. */
  get size(): number {
    return this.#accounts.size
  }

  /** Bytes that blobs may take. */
  get capacity(): number {
    return this.rules.budget - this.#other
  }

  /** Bytes that cannot be evicted now, downloads at their expected length. */
  get committed(): number {
    let sum = 0
    for (const account of this.#accounts.values()) {
      if (isUnderway(account)) sum += Math.max(account.expected, account.bytes)
      else if (isHeld(account)) sum += account.bytes
    }
    return sum
  }

  /** Whether something should be evicted. */
  get isPressed(): boolean {
    return this.#isFull || this.#outgrown.size > 0
  }

  get #isFull(): boolean {
    return this.used > (this.#draining ? this.rules.low : this.rules.high)
  }

  isEvicting(digest: Digest): boolean {
    return this.#accounts.get(digest)?.evicting ?? false
  }

  /** Takes a measurement of the whole store; a blob that it does not name is gone. */
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

  /** The store has nothing of this blob. */
  missing(digest: Digest): void {
    const account = this.#accounts.get(digest)
    if (account === undefined) return
    this.#setBytes(account, 0)
    account.complete = false
    this.#outgrown.delete(digest)
    this.#dropIfEmpty(account)
  }

  /** `bytes` more of a download were stored. */
  grew(digest: Digest, bytes: number, now: number): void {
    const account = this.#accountOf(digest)
    this.#setBytes(account, account.bytes + bytes)
    account.usedAt = Math.max(account.usedAt, now)
  }

  touched(digest: Digest, now: number): void {
    const account = this.#accounts.get(digest)
    if (account !== undefined) account.usedAt = Math.max(account.usedAt, now)
  }

  /** The download is whole and its digest is checked. */
  completed(digest: Digest): void {
    this.#accountOf(digest).complete = true
    this.#outgrown.delete(digest)
  }

  /** A reader begins; not allowed while the blob is being evicted. Each hold is followed by a release. */
  hold(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    invariant(!account.evicting, "disk ledger: hold of a blob that is being evicted")
    account.holds++
    account.usedAt = Math.max(account.usedAt, now)
  }

  release(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    account.holds--
    invariant(account.holds >= 0, "disk ledger: release of a blob that nobody holds")
    account.usedAt = Math.max(account.usedAt, now)
    this.#dropIfEmpty(account)
  }

  /**
   * Begins a download of `more` bytes of a blob of `length` bytes, in addition to what is stored and to what other
   * downloads of it want, if there is room. An admission is followed by leave.
   */
  admit(digest: Digest, length: number, more: number): Admission {
    const asked = Math.min(length, more)
    if (asked > this.capacity) return "too-large"
    const account = this.#accountOf(digest)
    if (account.evicting) return "no-room"
    if (!account.complete) {
      const before = account.expected
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

  /** Bytes of admitted downloads that are not stored yet. */
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
    invariant(account.downloads >= 0, "disk ledger: end of a download that did not begin")
    this.#dropIfEmpty(account)
  }

  /** The blob to evict next, marked as evicting; `passOver` are those that could not be evicted just now. */
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
    // Everything that is left is in use. Below the high watermark there is no need to wait for it.
    if (oldest === undefined) this.#draining = this.used > this.rules.high
    return oldest
  }

  /** The victim was removed. */
  evicted(digest: Digest): void {
    this.#accountOf(digest).evicting = false
    this.missing(digest)
  }

  /** The victim stays, because it is in use. */
  spared(digest: Digest, now: number): void {
    const account = this.#accountOf(digest)
    account.evicting = false
    account.usedAt = Math.max(account.usedAt, now)
  }

  /** Uses that the store has not recorded; they count as recorded from now on. */
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

/** A reader keeps a whole blob on the disk; an unfinished one is kept by its download alone. */
const isHeld = ({ holds, complete }: Account): boolean => holds > 0 && complete

const isUnderway = ({ downloads, complete }: Account): boolean => downloads > 0 && !complete

const mayGo = (account: Account): boolean =>
  account.bytes > 0 && !account.evicting && !isHeld(account) && !isUnderway(account)
