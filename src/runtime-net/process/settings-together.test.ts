// Settings that do not fit together are found before a role opens anything: no data folder, no port.

import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { agent } from "../../roles/agent/agent.ts"
import { agentConfig } from "../../roles/agent/config.ts"
import { buildIndex } from "../../roles/build-index/build-index.ts"
import { buildIndexConfig } from "../../roles/build-index/config.ts"
import type { HostProgram, StartedRole } from "../../roles/host-program.ts"
import { originConfig } from "../../roles/origin/config.ts"
import { origin } from "../../roles/origin/origin.ts"
import { proxyConfig } from "../../roles/proxy/config.ts"
import { proxy } from "../../roles/proxy/proxy.ts"
import { runHost } from "./run-host.ts"

const listen = { host: "127.0.0.1", port: 0 }
const one = ["http://one:1"] as const
const ofAgent = { data: "data", registry: listen, peer: listen, trackers: one, buildIndexes: one }
const ofOrigin = { data: "data", peer: listen, http: listen, origins: one, self: "http://one:1" }
const docker = { name: "docker.io", url: "https://registry-1.docker.io" }

const cases: ReadonlyArray<readonly [string, HostProgram<StartedRole>, string]> = [
  [
    "push: forward without proxy",
    agent(agentConfig({ ...ofAgent, push: "forward" })),
    "agent: push is forward, but proxy is not set"
  ],
  [
    "a defaultUpstream outside mirrors",
    agent(agentConfig({ ...ofAgent, mirrors: [{ name: "quay.io" }], defaultUpstream: "docker.io" })),
    "agent: defaultUpstream is docker.io, which is not one of mirrors"
  ],
  [
    "upstreams without origins",
    buildIndex(buildIndexConfig({ data: "data", http: listen, upstreams: [docker] })),
    "build-index: upstreams are given, but not origins"
  ],
  [
    "rules of preheat without trackers",
    proxy(
      proxyConfig({
        ...{ data: "data", registry: listen, origins: one, buildIndexes: one },
        preheat: { onPush: ["demo/*"] }
      })
    ),
    "proxy: preheat is given, but trackers are not"
  ],
  [
    "an origin that is not among origins",
    origin(originConfig({ ...ofOrigin, self: "http://two:1" })),
    "origin: self is http://two:1"
  ],
  [
    "collections of an origin without build-indexes",
    origin(originConfig({ ...ofOrigin, collect: { every: "1 hour" } })),
    "origin: collect.every is given, but not buildIndexes"
  ]
]

for (const [name, program, problem] of cases) {
  it.live(`${name} is found before anything is opened`, () =>
    Effect.gen(function* () {
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-together-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const error = yield* Effect.flip(runHost(program, { storage: { root } }))
      expect(error.message).toContain(problem)
      expect(readdirSync(root)).toEqual([])
    }).pipe(Effect.scoped)
  )
}
