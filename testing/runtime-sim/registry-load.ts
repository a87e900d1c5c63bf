// The load of a registry, on which the link models are compared: every host keeps several downloads of equal size
// from random others, and serves a few uploads at a time. It is played in a closed loop, or transfer by transfer at
// given instants. For tests only.

import { Duration, Effect } from "effect"
import { Kernel } from "../../src/runtime-sim/kernel/kernel.ts"
import { randomStream } from "../../src/runtime-sim/kernel/seeded-random.ts"
import { frameFlags } from "../../src/runtime-sim/network/connection.ts"
import { Connections, type NetworkOptions } from "../../src/runtime-sim/network/connections.ts"
import type { Place } from "../../src/runtime-sim/network/fabric.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import type { LinkRates } from "../../src/runtime-sim/network/links.ts"

export interface RegistryLoad {
  readonly hosts: number
  readonly downloadsEach: number
  /** Concurrent downloads of a host, and its concurrent uploads. */
  readonly atOnce: number
  readonly uploadSlots: number
  readonly size: number
  readonly rates: (host: number) => LinkRates
  readonly place: (host: number) => Place
  readonly fabric: Pick<NetworkOptions, "racks" | "zones">
}

export interface Transfer {
  readonly from: number
  readonly to: number
  /** Microseconds at which the uploader begins, and at which the downloader has it. */
  readonly begun: number
  readonly ended: number
}

const latency = 500

const makeNetwork = (load: RegistryLoad, linkModel: LinkModel) => {
  const kernel = new Kernel({ seed: "registry load" })
  const connections = new Connections(kernel, {
    uplink: 1,
    downlink: 1,
    latency,
    connectTimeout: 1,
    detectionDelay: 1,
    linkModel,
    ...load.fabric
  })
  const hosts = Array.from({ length: load.hosts }, (_, index) =>
    connections.host(`h${index}`, load.rates(index), load.place(index))
  )
  const quiet = { opened: () => {}, refused: () => {}, sent: () => {}, closed: () => {} }
  const receivers: Array<(payload: unknown) => void> = []
  for (const [index, host] of hosts.entries()) {
    connections.listen(host, 1, () => ({ ...quiet, received: (payload) => receivers[index]!(payload) }))
  }
  /** Each transfer has its own connection, so that only the links delay it. */
  const upload = (from: number, to: number, number: number, sent: () => void) => {
    const end = connections.dial(hosts[from]!, `h${to}`, 1, {
      ...quiet,
      opened: () => connections.send(end, number, load.size, 0, frameFlags.reportSent),
      received: () => {},
      sent
    })
  }
  const at = (instant: number, action: () => void) =>
    kernel.schedule(instant, { fire: action }, 1, 0, undefined)
  const play = (isDone: () => boolean) => {
    while (!isDone()) kernel.runExit(Effect.sleep(Duration.millis(100)))
    connections.network.checkConservation()
  }
  return { kernel, receivers, upload, at, play }
}

/** Every host asks its next source, drawn from its own stream, as soon as a download is complete. */
export const playClosedLoop = (load: RegistryLoad, linkModel: LinkModel): ReadonlyArray<Transfer> => {
  const { kernel, receivers, upload, at, play } = makeNetwork(load, linkModel)
  const transfers: Transfer[] = []
  const begun: Array<{ from: number; to: number; at: number }> = []
  const free = Array.from({ length: load.hosts }, () => load.uploadSlots)
  const waiting: number[][] = free.map(() => [])
  const begin = (from: number, to: number) => {
    free[from]!--
    const number = begun.push({ from, to, at: kernel.now }) - 1
    upload(from, to, number, () => {
      free[from]!++
      const next = waiting[from]!.shift()
      if (next !== undefined) begin(from, next)
    })
  }
  for (let host = 0; host < load.hosts; host++) {
    const sources = randomStream("registry load", `sources/${host}`)
    let left = load.downloadsEach
    const ask = () => {
      if (left-- <= 0) return
      const from = (host + 1 + sources.nextInt(load.hosts - 1)) % load.hosts
      if (free[from]! > 0) begin(from, host)
      else waiting[from]!.push(host)
    }
    receivers[host] = (payload) => {
      const { from, to, at: since } = begun[payload as number]!
      transfers.push({ from, to, begun: since, ended: kernel.now })
      ask()
    }
    for (let slot = 0; slot < load.atOnce; slot++) at(sources.nextInt(10_000), ask)
  }
  play(() => transfers.length === load.hosts * load.downloadsEach)
  return transfers
}

/** Plays the same transfers at the same instants. Returns the duration of each, by its index. */
export const replay = (
  load: RegistryLoad,
  linkModel: LinkModel,
  transfers: ReadonlyArray<Transfer>
): ReadonlyArray<number> => {
  const { kernel, receivers, upload, at, play } = makeNetwork(load, linkModel)
  const took = transfers.map(() => 0)
  let arrived = 0
  for (let host = 0; host < load.hosts; host++) {
    receivers[host] = (payload) => {
      arrived++
      took[payload as number] = kernel.now - transfers[payload as number]!.begun
    }
  }
  for (const [number, { from, to, begun }] of transfers.entries()) {
    at(begun, () => upload(from, to, number, () => {}))
  }
  play(() => arrived === transfers.length)
  return took
}
