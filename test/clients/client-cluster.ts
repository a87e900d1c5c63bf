// The cluster that a test file of real clients shares: a herd and agents, a recording proxy in front of the registry
// that accepts pushes and one in front of the registry for pulls, and the daemons of the clients that need one.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts"
import { type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"
import { containerd, containersStorage, docker, lacking } from "./container-clients.ts"
import { type Daemon, startContainerd, startDockerd } from "./daemons.ts"

export interface ClientCluster {
  /** The folder of everything that the test stores. */
  readonly folder: string
  readonly up: RunningUp
  /** In front of the proxy of the herd. */
  readonly push: RecordingProxy
  /** In front of the first agent. */
  readonly pull: RecordingProxy
  readonly docker: () => ReturnType<typeof docker>
  /** docker with a daemon of its own, started with these flags. */
  readonly dockerWith: (flags: ReadonlyArray<string>) => Promise<ReturnType<typeof docker>>
  readonly containerd: () => ReturnType<typeof containerd>
  /** podman or buildah with a new storage of its own. */
  readonly storage: (program: "podman" | "buildah") => ReturnType<typeof containersStorage>
  readonly stop: () => Promise<void>
}

const started = (daemon: Daemon | undefined): Daemon => {
  if (daemon === undefined) throw new Error("this client is not installed: the test should have been skipped")
  return daemon
}

export const startClientCluster = async (agents: number): Promise<ClientCluster> => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-clients-"))
  const here = (client: "docker" | "containerd") => lacking(client) === undefined
  // They start first, so that the configuration of the agents can contain the address of the recorder as a name of
  // the proxy.
  const [push, pull] = await Promise.all([startRecordingProxy(), startRecordingProxy()])
  const [up, dockerd, contentDaemon] = await Promise.all([
    startUp(join(folder, "shoal"), agents, "--own-name", push.address),
    here("docker") ? startDockerd(join(folder, "dockerd")) : undefined,
    here("containerd") ? startContainerd(join(folder, "containerd")) : undefined
  ])
  let storages = 0
  const more: Array<Daemon> = []
  push.forwardTo(up.proxy)
  pull.forwardTo(up.agents[0]!)
  return {
    folder,
    up,
    push,
    pull,
    docker: () => docker(started(dockerd)),
    dockerWith: async (flags) => {
      const daemon = await startDockerd(join(folder, `dockerd-${more.length}`), ...flags)
      more.push(daemon)
      return docker(daemon)
    },
    containerd: () => containerd(started(contentDaemon)),
    // podman accepts no path of more than 50 characters.
    storage: (program) => containersStorage(join(folder, `s${++storages}`), program),
    stop: async () => {
      await Promise.all([push.close(), pull.close()])
      await Promise.all([stopShoal(up), ...[dockerd, contentDaemon, ...more].map((daemon) => daemon?.stop())])
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
