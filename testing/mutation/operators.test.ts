// The changes that each mutation operator makes, and the code that it leaves alone. Each case is a source and its
// mutated sources, so that a mutant which would not parse, or changes too much, shows.

import { describe, expect, test } from "vitest"
import { mutantsOf, mutate } from "./mutants.ts"
import { parse } from "./syntax-tree.ts"

/** Every mutated text that `operator` makes of a source. */
const by = (operator: string, text: string): ReadonlyArray<string> =>
  mutantsOf("a.ts", text)
    .filter((mutant) => mutant.operator === operator)
    .map((mutant) => mutate(text, [mutant]))

const cases: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  ["condition", "if (a) b", ["if (true) b", "if (false) b"]],
  ["condition", "x = a ? b : c", ["x = true ? b : c", "x = false ? b : c"]],
  ["condition", "while (a) b()", ["while (false) b()"]],
  ["boundary", "x = a < b", ["x = a <= b"]],
  ["boundary", "x = (a) >= (b)", ["x = (a) > (b)"]],
  ["comparison", "x = a < b", ["x = a >= b"]],
  ["comparison", "x = a === b", ["x = a !== b"]],
  ["comparison", "if (a === b) c", []],
  ["arithmetic", "x = (a + b) * c", ["x = (a + b) / c", "x = (a - b) * c"]],
  ["arithmetic", 'x = a + "b"', []],
  ["logical", "x = (a ?? b) && c", ["x = ((a ?? b) || c)", "x = (a ?? b)", "x = c"]],
  ["default", "x = a ?? b", ["x = a", "x = b"]],
  ["unary", "x = !(a && b)", ["x = (a && b)"]],
  ["unary", "if (!a) b", []],
  ["update", "a++", ["a--"]],
  ["assignment", "a += 2", ["a -= 2"]],
  ["number", "x = 0", ["x = 1"]],
  ["number", "x = 1", ["x = 0"]],
  ["number", "x = 4", ["x = 0", "x = 5"]],
  ["number", "x = 30_000", ["x = 0"]],
  ["number", "x = 8 * KiB", ["x = 0 * KiB"]],
  ["number", "x = seconds(8)", ["x = seconds(0)"]],
  ["boolean", "x = true", ["x = false"]],
  ["string", 'x = "a"', ['x = ""']],
  ["string", `x = \`a/\${b}\``, ['x = ""']],
  ["empty array", "x = [a, b]", ["x = []"]],
  ["empty object", "x = { a }", ["x = {}"]],
  ["method", "x = Math.min(a, b)", ["x = Math.max(a, b)"]],
  ["method", "x = a.toString()", []],
  ["refinement", "x = a.filter(b).length", ["x = a.length"]],
  ["refinement", "x = (a ?? b).slice(1)", ["x = (a ?? b)"]],
  ["pipe step", "x = a.pipe(b, c)", ["x = a.pipe(c)", "x = a.pipe(b)"]],
  ["pipe step", "x = a.pipe(b)", ["x = a"]],
  ["statement", "f(); g()", [" g()", "f(); "]],
  ["statement", "if (a) f()", ["if (a) {}"]],
  ["block", "function f() { a(); b() }", ["function f() {}"]],
  ["block", "function f() { a(); return b }", []],
  ["callback", "f(() => g())", ["f(() => {})"]],
  ["return", "const f = (): number => g()", ["const f = (): number => 0"]],
  [
    "return",
    "function f(): A | undefined { return g() }",
    ["function f(): A | undefined { return undefined }"]
  ]
]

test.each(cases)("%s of %s", (operator, text, mutated) => {
  expect(by(operator, text)).toEqual(mutated)
})

describe("left alone", () => {
  const untouched = [
    "// a comment of 1 < 2",
    'import { a } from "b"',
    "interface A { readonly a: 1 | 2 }",
    'yield* Effect.logWarning("x", 1)',
    'yield* Effect.logWarning("x", 1).pipe(Effect.annotateLogs({ a: 1 + 2 }))',
    'invariant(a > 0, "a is positive")',
    'class A extends Data.TaggedError("A")<{ readonly a: 1 }> {}'
  ]
  test.each(untouched)("%s", (text) => {
    const wrapped = text.startsWith("yield") ? `function* f() { ${text} }` : text
    expect(mutantsOf("a.ts", wrapped)).toEqual([])
  })

  test("texts for people", () => {
    const texts = ['x = { message: "busy" }', 'x = new AError("busy")', 'x = f("this is a sentence")']
    for (const text of texts) expect(by("string", text), text).toEqual([])
    expect(by("arithmetic", `x = { message: \`busy for \${time / 1_000} s\` }`)).toEqual([])
  })

  test("names that diagnostics show", () => {
    expect(by("string", 'const f = Effect.fn("pull")(g, "h")')).toEqual([
      'const f = Effect.fn("pull")(g, "")'
    ])
  })

  test("diagnostics in a pipe", () => {
    expect(by("pipe step", 'x = a.pipe(Effect.withSpan("b"), c)')).toEqual([
      'x = a.pipe(Effect.withSpan("b"))'
    ])
    const logs = ['Effect.andThen(Effect.logInfo("b"))', 'Effect.tap(() => Effect.logInfo("b"))']
    for (const log of logs) expect(by("pipe step", `x = a.pipe(${log}, c)`)).toEqual([`x = a.pipe(${log})`])
  })
})

test("every mutant parses, also of a text with non-ASCII characters", () => {
  const text = `
    // é — 😀
    export const f = (a: ReadonlyArray<number>, b = 2): boolean => {
      for (const c of a) if (c! > b && !(c === 3 || c === 4)) return (a as unknown[]).some((d) => d ?? c < 1)
      switch (b) { case 1: g(); break; default: h() }
      return \`é\${a.length - 1}\` !== "😀"
    }`
  const mutants = mutantsOf("a.ts", text)
  expect(mutants.length).toBeGreaterThan(30)
  for (const mutant of mutants) {
    expect(text.slice(mutant.start, mutant.end)).toBe(mutant.original)
    expect(() => parse(mutate(text, [mutant])), `${mutant.original} -> ${mutant.replacement}`).not.toThrow()
  }
})
