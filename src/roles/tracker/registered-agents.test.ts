// A tracker's table of registered agents, checked against a plain model of it.

import fc from "fast-check"
import { expect, it } from "vitest"
import { askLimits } from "../client/limits.ts"
import { makeRegisteredAgents, registrationLifetime } from "./registered-agents.ts"

const limits = { ...askLimits, maxRegisteredAgents: 10 }
const lifetime = registrationLifetime(limits)

it("knows agents that registered in time, each once, by its last registration", () => {
  const heard = fc.record({
    url: fc.constantFrom("http://a:1", "http://b:1", "http://c:1/", "http://c:1"),
    zone: fc.constantFrom("x", "y"),
    after: fc.integer({ min: 0, max: lifetime })
  })
  fc.assert(
    fc.property(fc.array(heard, { maxLength: 30 }), (history) => {
      const agents = makeRegisteredAgents(limits)
      const model = new Map<string, { zone: string; at: number }>()
      let now = 0
      for (const { url, zone, after } of history) {
        now += after
        expect(agents.register({ url, zone }, now)).toBe(true)
        model.set(url.replace(/\/$/, ""), { zone, at: now })
        const expected = [...model]
          .filter(([, { at }]) => now - at < lifetime)
          .map(([known, { zone: where }]) => ({ url: known, zone: where }))
          .sort((one, other) => (one.url < other.url ? -1 : 1))
        expect(agents.list(now)).toEqual(expected)
        expect(agents.count()).toBe(expected.length)
      }
    })
  )
})

it("has a limited number of places, which silent agents free", () => {
  const agents = makeRegisteredAgents(limits)
  for (let index = 0; index < limits.maxRegisteredAgents; index++) {
    agents.register({ url: `http://agent-${index}` }, 0)
  }
  expect(agents.register({ url: "http://late" }, 1)).toBe(false)
  expect(agents.register({ url: "http://agent-7", zone: "moved" }, 1)).toBe(true)
  expect(agents.register({ url: "http://late" }, lifetime)).toBe(true)
  expect(agents.list(lifetime).map(({ url }) => url)).toEqual(["http://agent-7", "http://late"])
})
