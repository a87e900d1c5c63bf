// The configuration of upstreams: settings that are ambiguous or would send a password in plain text are refused with
// a message that says what to do.

import { Exit, Schema } from "effect"
import { describe, expect, test } from "vitest"
import { UpstreamList } from "./mirror-config.ts"

const decode = Schema.decodeUnknownExit(UpstreamList)
const problem = (value: unknown): string | undefined => {
  const exit = decode(value)
  return Exit.isSuccess(exit) ? undefined : String(exit.cause)
}
const credentials = { username: "robot", password: "@/run/secrets/hub" }

describe("the configuration of upstreams", () => {
  test.each([
    [[]],
    [[{ name: "docker.io", url: "https://registry-1.docker.io" }]],
    [
      [{ name: "docker.io", url: "https://registry-1.docker.io/", aliases: ["index.docker.io"], credentials }]
    ],
    [
      [
        {
          name: "[::1]:5000",
          url: "http://[::1]:5000",
          credentials,
          freshness: 0,
          trustedRealms: ["a.example:1"]
        }
      ]
    ],
    [[{ name: "plain.example", url: "http://plain.example:5000" }]],
    [[{ name: "a.example", url: "https://a.example", credentials: { username: "u", password: "env:P" } }]]
  ])("%j is taken", (value) => {
    expect(problem(value)).toBeUndefined()
  })

  test.each([
    [
      [
        { name: "docker.io", url: "https://a" },
        { name: "quay.io", url: "https://b", aliases: ["docker.io"] }
      ],
      "twice"
    ],
    [[{ name: "plain.example", url: "http://plain.example", credentials }], "https"],
    [[{ name: "a.example", url: "https://user@a.example" }], "url"],
    [[{ name: "a.example", url: "https://a.example/v2" }], "url"],
    [[{ name: "a.example/b", url: "https://a.example" }], "HOST"],
    [[{ name: "a.example", url: "https://a.example", credentials: { username: "u" } }], "password"],
    [
      [{ name: "a.example", url: "https://a.example", credentials: { ...credentials, password: "@" } }],
      '"@FILE", "env:NAME"'
    ],
    [
      [{ name: "a.example", url: "https://a.example", credentials: { ...credentials, username: "a:b" } }],
      "user name"
    ],
    [[{ name: "a.example", url: "https://a.example", freshness: -1 }], "freshness"]
  ])("%j is refused for its %s", (value, why) => {
    expect(problem(value)).toContain(why)
  })
})
