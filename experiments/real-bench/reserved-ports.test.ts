// A port is reserved once on this machine: not a second time in this process or in another, until it is released or
// its process ends, even by kill -9.

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { join } from "node:path"
import { afterEach, expect, test } from "vitest"
import { isFree, type Release, reservePorts } from "./reserved-ports.ts"

const reserved: Array<Release> = []
const others: Array<ChildProcess> = []
afterEach(() => {
  for (const release of reserved.splice(0)) release()
  for (const other of others.splice(0)) other.kill("SIGKILL")
})

/** Two ports that nobody else has: this process reserved them for a moment. */
const twoPorts = async (): Promise<readonly [number, number]> => {
  for (let port = 9000 + (process.pid % 1000); ; port += 2) {
    const release = await reservePorts([port, port + 1])
    release?.()
    if (release !== undefined) return [port, port + 1]
  }
}

const kept = async (ports: ReadonlyArray<number>): Promise<boolean> => {
  const release = await reservePorts(ports)
  if (release !== undefined) reserved.push(release)
  return release !== undefined
}

/** Another process that reserves the ports and stays; what it says is "true" or "false". */
const otherProcess = async (ports: ReadonlyArray<number>) => {
  const program = `
    const { reservePorts } = await import(${JSON.stringify(join(import.meta.dirname, "reserved-ports.ts"))})
    process.stdout.write(String((await reservePorts(${JSON.stringify(ports)})) !== undefined))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  others.push(child)
  const [said] = (await once(child.stdout, "data")) as [Buffer]
  return { child, reserved: said.toString() }
}

test("a port is reserved once, and can be listened on", async () => {
  const [one, other] = await twoPorts()
  expect(await kept([one])).toBe(true)
  expect(await kept([one])).toBe(false)
  expect(await kept([other, one])).toBe(false)
  expect(await kept([other]), "a refusal leaves nothing reserved").toBe(true)
  expect(await isFree(one)).toBe(true)
  for (const release of reserved) {
    release()
    release()
  }
  expect(await kept([one, other])).toBe(true)
})

test("a port on which something listens is not reserved", async () => {
  const [one, other] = await twoPorts()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: other }, resolve))
  expect(await kept([one, other])).toBe(false)
  await new Promise((resolve) => server.close(resolve))
  expect(await kept([one, other])).toBe(true)
})

test("processes do not get the ports of each other, and a killed one leaves none behind", async () => {
  const [one, other] = await twoPorts()
  expect(await kept([one])).toBe(true)
  expect((await otherProcess([one])).reserved).toBe("false")
  const holder = await otherProcess([other])
  expect(holder.reserved).toBe("true")
  expect(await kept([other])).toBe(false)
  holder.child.kill("SIGKILL")
  await once(holder.child, "exit")
  expect(await kept([other])).toBe(true)
})
