// A start that failed is told from a started process, also when another process answers at its port, and shows what
// the failed one printed.

import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, expect, test } from "vitest"
import { startShoal, untilReady } from "../support/shoal-process.ts"

const other = createServer((_, response) => response.end("ready"))
afterEach(() => other.close())

test("a process that ended is not ready, whoever answers at its port", async () => {
  await new Promise<void>((resolve) => other.listen({ host: "127.0.0.1", port: 0 }, resolve))
  const { port } = other.address() as AddressInfo
  const shoal = startShoal(["tracker", "--http", `${port}`])
  await shoal.ended
  await expect(untilReady(shoal, `127.0.0.1:${port}`)).rejects.toThrow(
    `shoal at 127.0.0.1:${port} ended before it was ready:\nshoal: origins: missing (give it in a --config file or by --origin)`
  )
})
