// The parser of WWW-Authenticate: headers of real registries, every legal spelling of any challenges, and garbage.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { parseChallenges } from "./challenge.ts"

const limits = { maxChallengeCharacters: 1000 }

const read = (header: string) =>
  parseChallenges(header, limits)?.map(({ scheme, parameters, token68 }) => ({
    scheme,
    parameters: Object.fromEntries(parameters),
    token68
  }))

const tokenCharacters = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]
const token = fc
  .array(fc.constantFrom(...tokenCharacters), { minLength: 1, maxLength: 12 })
  .map((letters) => letters.join(""))
const token68 = fc
  .tuple(
    fc.array(fc.constantFrom(..."abzABZ019-._~+/"), { minLength: 1, maxLength: 20 }),
    fc.constantFrom("", "=", "==")
  )
  .map(([letters, padding]) => letters.join("") + padding)
const text = fc
  .array(fc.constantFrom(...'\t !"#,;=\\abcXYZ019/:?&\u00e9'), { maxLength: 20 })
  .map((letters) => letters.join(""))
const space = fc.constantFrom("", " ", "\t", "  ")

interface Written {
  readonly header: string
  readonly meaning: NonNullable<ReturnType<typeof read>>[number]
}

const parameter = fc
  .tuple(token, text, fc.boolean(), space, space)
  .map(([name, value, plain, left, right]) => {
    const asToken = plain && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value)
    const written = asToken ? value : `"${value.replace(/(["\\])/g, "\\$1")}"`
    return { name, value, written: `${name}${left}=${right}${written}` }
  })

const withParameters: fc.Arbitrary<Written> = fc
  .tuple(
    token,
    fc.uniqueArray(parameter, { minLength: 1, maxLength: 4, selector: ({ name }) => name.toLowerCase() }),
    fc.constantFrom(",", ", ", " , ", ",,", " ,\t, ")
  )
  .map(([scheme, parameters, comma]) => ({
    header: `${scheme} ${parameters.map(({ written }) => written).join(comma)}`,
    meaning: {
      scheme: scheme.toLowerCase(),
      parameters: Object.fromEntries(parameters.map(({ name, value }) => [name.toLowerCase(), value])),
      token68: undefined
    }
  }))

const withToken68: fc.Arbitrary<Written> = fc.tuple(token, token68).map(([scheme, value]) => ({
  header: `${scheme} ${value}`,
  meaning: { scheme: scheme.toLowerCase(), parameters: {}, token68: value }
}))

const bare: fc.Arbitrary<Written> = token.map((scheme) => ({
  header: scheme,
  meaning: { scheme: scheme.toLowerCase(), parameters: {}, token68: undefined }
}))

describe("the challenges of a WWW-Authenticate header", () => {
  test("a registry's bearer challenge, with a scope that has commas", () => {
    const header =
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'
    expect(read(header)).toEqual([
      {
        scheme: "bearer",
        parameters: {
          realm: "https://auth.example/token",
          service: "registry.example",
          scope: "repository:a/b:pull,push"
        },
        token68: undefined
      }
    ])
  })

  test("several challenges in one header", () => {
    expect(read('Basic realm="one", Bearer realm="two",service=x, Negotiate YWJj==, Custom')).toEqual([
      { scheme: "basic", parameters: { realm: "one" }, token68: undefined },
      { scheme: "bearer", parameters: { realm: "two", service: "x" }, token68: undefined },
      { scheme: "negotiate", parameters: {}, token68: "YWJj==" },
      { scheme: "custom", parameters: {}, token68: undefined }
    ])
  })

  test.each([
    "",
    " , ",
    'Bearer realm="open',
    'Bearer realm="a" service="b"',
    'Bearer realm="a",realm="b"',
    "Bearer realm=;",
    '="x"',
    'Bearer realm="a\u0000b"',
    "Bearer \u0001"
  ])("malformed: %j", (header) => {
    expect(parseChallenges(header, limits)).toBeUndefined()
  })

  test("a header that is too long", () => {
    const padding = "a".repeat(limits.maxChallengeCharacters - 'Bearer realm=""'.length)
    expect(parseChallenges(`Bearer realm="${padding}"`, limits)).toBeDefined()
    expect(parseChallenges(`Bearer realm="${padding}a"`, limits)).toBeUndefined()
  })

  test("any challenges, in any legal spelling, are parsed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(withParameters, withToken68, bare), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(",", ", ", " , ", ",, "),
        (written, comma) => {
          const header = written.map(({ header }) => header).join(comma)
          fc.pre(header.length <= limits.maxChallengeCharacters)
          expect(read(header)).toEqual(written.map(({ meaning }) => meaning))
        }
      ),
      { numRuns: 2000 }
    )
  })

  test("parsing ends for any header, and returns only what the header contains", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 200 }),
          text,
          fc.array(text).map((parts) => parts.join(","))
        ),
        (header) => {
          for (const { scheme, parameters } of parseChallenges(header, limits) ?? []) {
            expect(header.toLowerCase()).toContain(scheme)
            for (const name of parameters.keys()) expect(header.toLowerCase()).toContain(name)
          }
        }
      ),
      { numRuns: 2000 }
    )
  })
})
