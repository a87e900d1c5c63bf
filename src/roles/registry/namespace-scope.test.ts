// Tests of the scope of a registry's own names: which values of `ns` it accepts.

import { describe, expect, it } from "vitest"
import type { RegistryEndpoint } from "../oci/repository-path.ts"
import { ownScope } from "./namespace-scope.ts"

const endpoint: RegistryEndpoint = { tag: "Tags", repository: "demo/app" }

describe("the scope of a registry's own names", () => {
  it.each([
    ["a name of the configuration", "registry.example", undefined, true],
    ["a name in capitals", "REGISTRY.example", undefined, true],
    ["the host of the request", "other.example:5000", "Other.Example:5000", true],
    ["another name", "docker.io", "other.example", false],
    ["a name that is contained in one", "registry", "registry.example", false],
    ["nothing", "", undefined, false]
  ])("accepts or refuses %s", (_, ns, host, isAccepted) => {
    const answer = ownScope(["registry.example", "second.example"]).of(endpoint, ns, host)
    if (isAccepted) expect(answer).toBe(endpoint)
    else expect(answer).toMatchObject({ code: "NAME_UNKNOWN", status: 404, detail: { ns } })
  })

  it("refuses several values, and repeats at most 100 characters of one", () => {
    const scope = ownScope(["a"])
    expect(scope.of(endpoint, ["a", "a"], undefined)).toMatchObject({ code: "NAME_UNKNOWN" })
    const refused = scope.of(endpoint, "x".repeat(101), undefined)
    expect(refused).toMatchObject({ detail: { ns: "x".repeat(100) } })
    expect((refused as Error).message).toContain(`"${"x".repeat(100)}"`)
  })
})
