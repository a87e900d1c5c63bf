// Parses a WWW-Authenticate header (RFC 9110, 11.6.1): a list of challenges, each a scheme with either one token68 or
// parameters. It does not know which scheme is used and which realm is trusted.
//
// Invariants: it never throws, whatever a registry sends; a header that is malformed anywhere gives nothing at all,
// so that nobody acts on half of a challenge; time is linear in the header's length.

import type { UpstreamLimits } from "./limits.ts"

export interface Challenge {
  /** Lower case: "basic", "bearer". */
  readonly scheme: string
  /** By lower-case name. Each name appears once. */
  readonly parameters: ReadonlyMap<string, string>
  /** The token68 that takes the place of parameters, of Negotiate for instance. */
  readonly token68: string | undefined
}

const tokenAt = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const spaceAt = /[ \t]*/y
const separatorAt = /[ \t,]*/y
/** It ends at the next comma or the end; a parameter has a value after its "=". */
const token68At = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y
/** Printable ASCII and everything above. A quote or backslash must be escaped. */
const quotedAt = /"((?:[\t !#-[\]-~\u0080-\uffff]|\\[\t -~\u0080-\uffff])*)"/y
const parameterAhead = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=/y

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length
  }

  /** Consumes and returns the match of a sticky pattern at this position; undefined when it does not match. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match
  }

  ahead(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    return pattern.test(this.#text)
  }

  takeSign(sign: string): boolean {
    if (this.#text[this.#at] !== sign) return false
    this.#at++
    return true
  }
}

/** Puts `name = value` into `parameters`. Returns false when it is malformed or repeated. */
const takeParameter = (reader: Reader, parameters: Map<string, string>): boolean => {
  const name = reader.take(tokenAt)?.[0].toLowerCase()
  if (name === undefined || parameters.has(name)) return false
  reader.take(spaceAt)
  if (!reader.takeSign("=")) return false
  reader.take(spaceAt)
  const quoted = reader.take(quotedAt)
  const value = quoted === undefined ? reader.take(tokenAt)?.[0] : quoted[1]!.replace(/\\(.)/g, "$1")
  if (value === undefined) return false
  parameters.set(name, value)
  return true
}

/** The challenges in their order; undefined when the header is malformed, too long or has none. */
export const parseChallenges = (
  header: string,
  { maxChallengeCharacters }: Pick<UpstreamLimits, "maxChallengeCharacters">
): ReadonlyArray<Challenge> | undefined => {
  if (header.length > maxChallengeCharacters) return undefined
  const reader = new Reader(header)
  const challenges: Array<Challenge> = []
  reader.take(separatorAt)
  while (!reader.atEnd) {
    const scheme = reader.take(tokenAt)?.[0].toLowerCase()
    if (scheme === undefined) return undefined
    const parameters = new Map<string, string>()
    let token68: string | undefined
    const gap = reader.take(spaceAt)![0]
    if (!reader.atEnd && gap !== "") token68 = reader.take(token68At)?.[0]
    if (token68 === undefined && gap !== "" && reader.ahead(parameterAhead)) {
      do {
        if (!takeParameter(reader, parameters)) return undefined
        reader.take(spaceAt)
        if (!reader.atEnd && !reader.ahead(/,/y)) return undefined
        reader.take(separatorAt)
      } while (reader.ahead(parameterAhead))
    } else {
      reader.take(spaceAt)
      if (!reader.atEnd && !reader.ahead(/,/y)) return undefined
      reader.take(separatorAt)
    }
    challenges.push({ scheme, parameters, token68 })
  }
  return challenges.length === 0 ? undefined : challenges
}
