// The name of a client in the history of a tag: its address and its user agent, made printable and bounded in length.

import { Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { expect, it } from "vitest"
import { changedBy } from "./changed-by.ts"
import { registryLimits } from "./limits.ts"

const name = (address: string | undefined, agent: string | undefined, maxChangedByLength = 40) => {
  const headers: Record<string, string> = agent === undefined ? {} : { "user-agent": agent }
  const request = HttpServerRequest.fromWeb(new Request("http://registry/x")).modify({
    remoteAddress: Option.fromUndefinedOr(address),
    headers: headers as never
  })
  return changedBy(request, { ...registryLimits, maxChangedByLength })
}

it("is the address and the user agent", () => {
  expect(name("203.0.113.7", "skopeo/1.9.3")).toBe("203.0.113.7 skopeo/1.9.3")
  expect(name("203.0.113.7", undefined)).toBe("203.0.113.7")
  expect(name(undefined, "skopeo/1.9.3")).toBe("unknown skopeo/1.9.3")
})

it("is printable and not longer than the limit", () => {
  expect(name("::1", "a\u007fb\u00e9 ~")).toBe("::1 a?b? ~")
  expect(name("::1", "x".repeat(100), 10)).toBe("::1 xxxxxx")
})
