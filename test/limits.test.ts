// What holds for every limit of every table: it bounds something, so it is a number above nothing, and a minimum is
// not above the maximum of the same name. Each table asserts further relations when it loads.

import { it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { limits } from "../src/protocol/limits.ts"
import { AgentLimits } from "../src/roles/agent/limits.ts"
import { BuildIndexLimits } from "../src/roles/build-index/limits.ts"
import { AskLimits } from "../src/roles/client/limits.ts"
import { configLimits } from "../src/roles/config/limits.ts"
import { HttpLimits } from "../src/roles/http/limits.ts"
import { OciLimits } from "../src/roles/oci/limits.ts"
import { OriginLimits } from "../src/roles/origin/limits.ts"
import { PeerLimits } from "../src/roles/peer/limits.ts"
import { ProxyLimits } from "../src/roles/proxy/limits.ts"
import { RegistryLimits } from "../src/roles/registry/limits.ts"
import { ServiceLimits } from "../src/roles/services/limits.ts"
import { TrackerLimits } from "../src/roles/tracker/limits.ts"
import { UpstreamLimits } from "../src/roles/upstream/limits.ts"
import { ListenerLimits } from "../src/runtime-net/http/limits.ts"
import { PlatformLimits } from "../src/runtime-net/platform/limits.ts"
import { SocketLimits } from "../src/runtime-net/sockets/limits.ts"
import { StoreLimits } from "../src/runtime-net/store/limits.ts"
import { TableLimits } from "../src/runtime-net/tables/limits.ts"

const references = {
  agent: AgentLimits,
  buildIndex: BuildIndexLimits,
  ask: AskLimits,
  http: HttpLimits,
  oci: OciLimits,
  origin: OriginLimits,
  peer: PeerLimits,
  proxy: ProxyLimits,
  registry: RegistryLimits,
  service: ServiceLimits,
  tracker: TrackerLimits,
  upstream: UpstreamLimits,
  listener: ListenerLimits,
  socket: SocketLimits,
  store: StoreLimits,
  platform: PlatformLimits,
  table: TableLimits
}

it.effect("every limit is a number above nothing, and a minimum is not above its maximum", () =>
  Effect.gen(function* () {
    const tables = { ...(yield* Effect.all(references)), protocol: limits, config: configLimits }
    const wrong: Array<string> = []
    for (const [table, values] of Object.entries(tables)) {
      const entries = new Map(Object.entries(values))
      for (const [name, value] of entries) {
        if (!Number.isFinite(value) || value <= 0) wrong.push(`${table}.${name} is ${value}`)
        const most = entries.get(name.replace(/^min/, "max"))
        if (most !== undefined && value > most) wrong.push(`${table}.${name} is above its maximum`)
      }
    }
    expect(wrong).toEqual([])
  })
)
