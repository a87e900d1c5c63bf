// The names of mirrored repositories: one prefix per registry, well formed, never that of another, and from a closed
// list.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { isRepositoryName } from "../oci/repository-path.ts"
import { makeMirrorNames, mirroredRepository, repositoryPrefix, splitMirrored } from "./mirror-names.ts"

const letter = fc.constantFrom(..."abcxyz0189")
const label = fc
  .tuple(letter, fc.array(fc.oneof(letter, fc.constant("-")), { maxLength: 6 }), letter)
  .map(([first, middle, last]) => first + middle.join("") + last)
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."))
const ipv6 = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => `[${groups.map((group) => group.toString(16)).join(":")}]`)
const registry = fc
  .tuple(fc.oneof(host, ipv6), fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }))
  .map(([name, port]) => (port === undefined ? name : `${name}:${port}`))

describe("the names of mirrored repositories", () => {
  test.each([
    ["docker.io", "docker.io"],
    ["localhost:5000", "localhost__5000"],
    ["127.0.0.1:5000", "127.0.0.1__5000"],
    ["[::1]:5000", "0_0_0_0_0_0_0_1__5000"],
    ["[fd00::0a:1]", "fd00_0_0_0_0_0_a_1"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"]
  ])("%s is %s", (name, prefix) => {
    expect(repositoryPrefix(name)).toBe(prefix)
  })

  test.each([
    "",
    "Docker.io",
    "a_b",
    "a/b",
    "a..b",
    "-a",
    "a:",
    "a:123456",
    "https://a",
    "[:::1]",
    "[1:2:3]",
    "[1:2:3:4:5:6:7:8:9]",
    "[12345::1]",
    "user@host",
    "a?b",
    "a%2f"
  ])("%j names no registry", (name) => {
    expect(repositoryPrefix(name)).toBeUndefined()
  })

  test("any two registries have different prefixes, each a component of a repository name", () => {
    fc.assert(
      fc.property(registry, registry, (one, other) => {
        const prefix = repositoryPrefix(one)!
        expect(isRepositoryName(prefix)).toBe(true)
        expect(prefix).not.toContain("/")
        if (one !== other) expect(repositoryPrefix(other)).not.toBe(prefix)
        expect(splitMirrored(mirroredRepository(prefix, "a/b")!)).toEqual({ prefix, remote: "a/b" })
      }),
      { numRuns: 2000 }
    )
  })

  test("an ns is looked up, never trusted", () => {
    const names = makeMirrorNames(
      [
        { name: "docker.io", aliases: ["index.docker.io"] },
        { name: "localhost:5000", aliases: [] }
      ],
      "docker.io"
    )
    expect(names.prefixOf("docker.io")).toBe("docker.io")
    expect(names.prefixOf("Index.Docker.IO")).toBe("docker.io")
    expect(names.prefixOf("localhost:5000")).toBe("localhost__5000")
    for (const ns of ["quay.io", "docker.io/x", "docker.io:443", "", "169.254.169.254", "__proto__"]) {
      expect(names.prefixOf(ns)).toBeUndefined()
    }
    expect(names.isMirrored("docker.io/library/alpine")).toBe(true)
    expect(names.isMirrored("localhost__5000/a")).toBe(true)
    for (const own of ["docker.io", "index.docker.io/a", "library/alpine", "docker.iox/a"]) {
      expect(names.isMirrored(own)).toBe(false)
    }
    expect(names.defaultPrefix).toBe("docker.io")
  })

  test("a name that would be too long is undefined", () => {
    expect(mirroredRepository("docker.io", "a".repeat(245))).toBeDefined()
    expect(mirroredRepository("docker.io", "a".repeat(246))).toBeUndefined()
  })
})
