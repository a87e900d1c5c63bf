// Starts the clients' own daemons, dockerd and containerd, beside anything that runs on the machine: with folders,
// sockets and process files of their own. They are ended by their process id.

import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { runToEnd } from "../support/run-program.ts"

export interface Daemon {
  /** Its socket, in the form that its client expects. */
  readonly address: string
  readonly stop: () => Promise<void>
}

const answersWithin = 30_000

const startDaemon = async (
  name: string,
  folder: string,
  args: ReadonlyArray<string>,
  answers: () => Promise<boolean>
): Promise<() => Promise<void>> => {
  const logFile = join(folder, `${name}.log`)
  const log = openSync(logFile, "w")
  const child: ChildProcess = spawn(name, args, { stdio: ["ignore", log, log] })
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.once("error", () => resolve())
  })
  const stop = async () => {
    child.kill("SIGTERM")
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000)
    await ended
    clearTimeout(timer)
  }
  const deadline = performance.now() + answersWithin
  while (!(await answers())) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop()
      throw new Error(
        `${name} does not answer:\n${readFileSync(logFile, "utf8").split("\n").slice(-15).join("\n")}`
      )
    }
    await sleep(100)
  }
  return stop
}

/** A dockerd that accepts registries on loopback without TLS, and gives containers no network. `more` are flags. */
export const startDockerd = async (folder: string, ...more: ReadonlyArray<string>): Promise<Daemon> => {
  mkdirSync(folder)
  const address = `unix://${join(folder, "docker.sock")}`
  const args = [
    ...["--data-root", join(folder, "data")],
    ...["--exec-root", join(folder, "exec")],
    ...["--pidfile", join(folder, "docker.pid")],
    ...["--host", address],
    ...["--iptables=false", "--bridge=none"],
    ...more
  ]
  const answers = async () => (await runToEnd("docker", ["-H", address, "info"])).code === 0
  return { address, stop: await startDaemon("dockerd", folder, args, answers) }
}

/** A containerd without its Kubernetes part. */
export const startContainerd = async (folder: string): Promise<Daemon> => {
  mkdirSync(folder)
  const address = join(folder, "containerd.sock")
  const config = join(folder, "config.toml")
  writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
  const args = [
    ...["--config", config],
    ...["--root", join(folder, "root")],
    ...["--state", join(folder, "state")],
    ...["--address", address]
  ]
  const answers = async () => (await runToEnd("ctr", ["-a", address, "version"])).code === 0
  return { address, stop: await startDaemon("containerd", folder, args, answers) }
}
