// The log of a role names every listener, also the one for peers.

import { expect, test } from "vitest"
import { listenersOf } from "./role-command.ts"

test("a role's log names its HTTP listeners, and where peers connect", () => {
  const registry = { name: "registry", host: "::1", port: 16000 }
  const listens = { listener: "registry", address: "[::1]:16000" }
  expect(listenersOf({ role: { engine: { address: "10.0.0.7:16001" } }, listeners: [registry] })).toEqual([
    listens,
    { listener: "peer", address: "10.0.0.7:16001" }
  ])
  expect(listenersOf({ role: {}, listeners: [registry] })).toEqual([listens])
})
