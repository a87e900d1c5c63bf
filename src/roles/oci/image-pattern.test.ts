// Tests of image patterns against equivalent regular expressions, and of the time that a match takes.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isImagePattern, matchesImage, maxPatternLength } from "./image-pattern.ts"

describe("an image pattern", () => {
  it.each([
    ["demo/*", "demo/app", "1", true],
    ["demo/*", "demo/a/b", "1", false],
    ["demo/**", "demo/a/b", "1", true],
    ["**", "any/thing", "x", true],
    ["*", "library/redis", "1", false],
    ["demo/app", "demo/app", "latest", true],
    ["demo/app", "demo/apps", "latest", false],
    ["demo/*:v*", "demo/app", "v1.2", true],
    ["demo/*:v*", "demo/app", "1", false],
    ["*/app:release-*-x", "demo/app", "release-1-2-x", true],
    ["*/app:release-*-x", "demo/app", "release-x", false],
    ["demo/app:*", "demo/app", "1", true],
    ["demo/app:*", "demo/apps", "1", false],
    ["x".repeat(maxPatternLength), "x", "1", false]
  ])("%s, of %s:%s: %s", (pattern, repository, tag, matches) => {
    expect(isImagePattern(pattern)).toBe(true)
    expect(matchesImage(pattern, repository, tag)).toBe(matches)
  })

  it.each(["", ":v1", "Demo/*", "demo/[a-z]", "demo/app:", "a:b:c", "x".repeat(maxPatternLength + 1)])(
    "%s is none",
    (text) => {
      expect(isImagePattern(text)).toBe(false)
    }
  )

  it("matches what the equivalent regular expression matches", () => {
    const part = fc.constantFrom("a", "b", "/", "*", "**", ".", "ab")
    const text = fc.array(fc.constantFrom("a", "b", "/", "."), { maxLength: 8 }).map((all) => all.join(""))
    const pattern = fc.array(part, { minLength: 1, maxLength: 8 }).map((all) => all.join(""))
    fc.assert(
      fc.property(pattern, text, (written, repository) => {
        const source = written
          .replaceAll(".", "\\.")
          .replaceAll(/\*+/g, (stars) => (stars.length > 1 ? "[^]*" : "[^/]*"))
        expect(matchesImage(written, repository, "1")).toBe(new RegExp(`^${source}$`).test(repository))
      }),
      { numRuns: 2000 }
    )
  })

  it("is matched fast, whatever the pattern", () => {
    const steps = matchesImage("*a".repeat(150), "a".repeat(255), "1")
    expect(steps).toBe(true)
    expect(matchesImage(`${"**a".repeat(100)}b`, "a".repeat(255), "1")).toBe(false)
  })
})
