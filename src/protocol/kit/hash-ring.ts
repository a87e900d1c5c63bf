// Owners of a key among members, by rendezvous hashing (highest random weight; Thaler and Ravishankar, 1998). Every
// member has a score for the key, and the owners are the members with the highest scores.
//
// Invariants: the result is a pure function of the key and of the SET of members, so all hosts that know the same
// members name the same owners in the same order; when a member arrives or departs, only the keys that it owns move. It
// does not know which members are healthy: a caller that wants the next healthy owner asks for more owners and tries
// them in turn.
//
// A score is the upper 53 bits of a 64-bit hash of key and member. The hash has two lanes of 32 bits that are mixed
// into each other, as in MurmurHash3 x86 (public domain, A. Appleby), and takes UTF-16 code units.

interface Scored {
  readonly member: string
  readonly score: number
}

/**
 * The `count` owners of `key` among `members`, the first owner first; all members when there are fewer. A member that
 * is listed twice counts once.
 */
export const ringOwners = (key: string, members: readonly string[], count: number): readonly string[] => {
  const afterKey = absorb({ high: 0x2545f491, low: 0x9e3779b9 }, key)
  const ranking: Scored[] = []
  for (const member of members) ranking.push({ member, score: score(absorb(afterKey, member)) })
  ranking.sort(higherFirst)
  const owners: string[] = []
  for (const { member } of ranking) {
    if (owners.length >= count) break
    if (owners[owners.length - 1] !== member) owners.push(member)
  }
  return owners
}

const higherFirst = (left: Scored, right: Scored): number => {
  if (left.score !== right.score) return right.score - left.score
  return left.member < right.member ? -1 : left.member > right.member ? 1 : 0
}

interface Lanes {
  readonly high: number
  readonly low: number
}

/** The state after `text` and an end mark; the mark makes ("a", "bc") and ("ab", "c") differ. */
const absorb = (before: Lanes, text: string): Lanes => {
  let { high, low } = before
  for (let index = 0; index <= text.length; index++) {
    const unit = index < text.length ? text.charCodeAt(index) : 0x10000
    high = Math.imul(
      rotate(high ^ Math.imul(rotate(Math.imul(unit, 0x239b961b), 15), 0xab0e9789), 19) + low,
      5
    )
    low = Math.imul(
      rotate(low ^ Math.imul(rotate(Math.imul(unit, 0x38b34ae5), 17), 0xa1e38b93), 13) + high,
      5
    )
    high = (high + 0x561ccd1b) | 0
    low = (low + 0x0bcaa747) | 0
  }
  return { high, low }
}

/** An integer below 2^53. */
const score = ({ high, low }: Lanes): number => {
  const first = avalanche(high + low)
  const second = avalanche(low + first)
  return ((first + second) >>> 0) * 0x200000 + (second >>> 11)
}

/** fmix32 of MurmurHash3: every bit of the input affects every bit of the output. */
const avalanche = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
