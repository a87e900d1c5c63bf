// `shoal measure --namespaces` as a person runs it: real processes on shaped links, and nothing is left of them when
// the command ends, is stopped, or is killed. On a machine that cannot make network namespaces it says so with an exit
// code of its own, and the tests are skipped.

import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { runToEnd } from "../support/run-program.ts"
import { launcher, processesNaming, type ShoalProcess, startShoal } from "../support/shoal-process.ts"

const cannot = 3

/** Where this file's commands keep the folders of their hosts, by which their processes are found. */
let storage: string
beforeAll(() => {
  storage = mkdtempSync(join(tmpdir(), "shoal-measure-test-"))
})
afterAll(() => rmSync(storage, { recursive: true, force: true }))

const small = (agents = 4, size = "8MiB") => [
  "measure",
  "--namespaces",
  ...["--agents", String(agents), "--size", size, "--rate", "80Mbit/s", "--runs", "1", "--seeds", "1"],
  ...["--storage", storage]
]

/** Names of namespaces that this command made; others on this machine may be measuring too. */
const namespacesOf = (pid: number): ReadonlyArray<string> =>
  (spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout ?? "")
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "")
    .filter((name) => name.startsWith(`shoal-measure-${pid}-`))

const nothingIsLeft = (pid: number) => {
  expect(namespacesOf(pid)).toEqual([])
  expect(processesNaming(storage)).toEqual([])
}

/** Waits until the hosts of a command run, or until it has ended. */
const untilItsHostsRun = async ({ pid, child }: ShoalProcess) => {
  const agents = () => processesNaming(storage).filter((each) => each !== pid).length
  while (child.exitCode === null && (namespacesOf(pid).length < 6 || agents() < 5)) await sleep(50)
}

/** The reason of the command that this machine cannot run it, told on stderr too, which is always shown. */
const skippedWhy = (stderr: string): string => {
  process.stderr.write(
    `skipped: no measurement in namespaces, which needs Linux, root, iproute2, tc and the kernel's netem: ${stderr.trim()}\n`
  )
  return stderr
}

/** Times the prediction that a pull may take. Wide, because the machine of a test is busy with other tests. */
const mostOfPrediction = 1.5

test("four agents pull over shaped links in about the time that is predicted, and nothing is left", async (context) => {
  const file = join(storage, "out.json")
  const measured = startShoal([...small(4, "32MiB"), "--out", file])
  const { code } = await measured.ended
  if (code === cannot) return context.skip(skippedWhy(measured.stderr()))
  expect({ code, stderr: measured.stderr() }).toEqual({ code: 0, stderr: "" })
  const { bound, predicted, runs } = JSON.parse(readFileSync(file, "utf8"))
  const [{ completed, hosts }] = runs
  expect(completed).toHaveLength(4)
  for (const seconds of completed) {
    expect(seconds).toBeGreaterThan(bound * 0.9)
    expect(seconds).toBeLessThan(predicted.means.max_s * mostOfPrediction)
  }
  expect(hosts).toHaveLength(5)
  // All bytes of pieces went over the links that were shaped.
  for (const host of hosts.slice(1)) expect(host.linkReceived).toBeGreaterThan(32 * 1024 * 1024)
  nothingIsLeft(measured.pid)
  expect(readdirSync(storage)).toEqual(["out.json"])
})

test.for(["SIGINT", "SIGKILL"] as const)(
  "after %s no namespace and no process stays",
  async (signal, context) => {
    const stopped = startShoal(small())
    await untilItsHostsRun(stopped)
    stopped.child.kill(signal)
    const { code } = await stopped.ended
    if (code === cannot) return context.skip(skippedWhy(stopped.stderr()))
    if (signal === "SIGINT") {
      expect(code).toBe(0)
      return nothingIsLeft(stopped.pid)
    }
    // The next command removes what a killed one left; its hosts end with it.
    const next = startShoal(small(2, "1MiB"))
    expect((await next.ended).code).toBe(0)
    nothingIsLeft(stopped.pid)
    nothingIsLeft(next.pid)
  }
)

test("a machine without the programs is told from a failure", async () => {
  const env = { ...process.env, PATH: storage }
  const { code, stdout, stderr } = await runToEnd(process.execPath, [launcher, ...small()], { env })
  expect({ code, stdout }).toEqual({ code: cannot, stdout: "" })
  expect(stderr).toMatch(/^shoal: this machine cannot make the namespaces: .*\n$/)
})

test("refuses a number of agents that it cannot run, in one line", async () => {
  const { code, stderr } = await runToEnd(process.execPath, [launcher, ...small(17)])
  expect(code).toBe(1)
  expect(stderr).toBe("shoal: --agents 17: expected 2 to 16 in namespaces\n")
})
