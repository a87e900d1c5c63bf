// Faults of machines and links: a process dies, a machine loses power, a link is cut in one or both directions, the
// network is partitioned, and everything heals. An idle connection survives a cut that heals in time. A connection
// with frames in flight, or one that is used during the cut, loses them and breaks.
//
// Invariant: a fault changes reachability and nothing else; connections.ts says when its consequences are noticed.

import type { ConnectionEnd, NetworkHost } from "./connection.ts"
import type { Connections } from "./connections.ts"

export class NetworkFaults {
  readonly #connections: Connections
  /** "from > to" by host numbers. */
  readonly #cuts = new Set<number>()

  constructor(connections: Connections) {
    this.#connections = connections
    connections.reaches = (from, to) => this.reaches(from, to)
  }

  reaches(from: NetworkHost, to: NetworkHost): boolean {
    return from.group === to.group && !this.#cuts.has(cutKey(from, to))
  }

  /** Frames from `from` to `to` are lost from now on. */
  cutOneWay(from: NetworkHost, to: NetworkHost): void {
    this.#cuts.add(cutKey(from, to))
    this.#apply()
  }

  cut(first: NetworkHost, second: NetworkHost): void {
    this.#cuts.add(cutKey(first, second)).add(cutKey(second, first))
    this.#apply()
  }

  heal(first: NetworkHost, second: NetworkHost): void {
    this.#cuts.delete(cutKey(first, second))
    this.#cuts.delete(cutKey(second, first))
    this.#apply()
  }

  /** Partitions the network: hosts of one group reach each other. Hosts that are not named form the last group. */
  partition(groups: ReadonlyArray<ReadonlyArray<NetworkHost>>): void {
    for (const host of this.#connections.network.hosts) host.group = groups.length
    for (const [index, group] of groups.entries()) for (const host of group) host.group = index
    this.#apply()
  }

  healAll(): void {
    this.#cuts.clear()
    for (const host of this.#connections.network.hosts) host.group = 0
    this.#apply()
  }

  /** The host's process dies, and its machine answers for it: listeners close, connections are reset. */
  killProcess(host: NetworkHost): void {
    host.listeners.clear()
    for (const end of [...host.ends]) this.#connections.abandon(end, `${host.name} reset the connection`)
  }

  /** The host's process ended in order: frames that it sent are still delivered, and everything else is closed. */
  endProcess(host: NetworkHost): void {
    host.listeners.clear()
    for (const end of [...host.ends]) {
      if (end.state !== "closing") this.#connections.abandon(end, `${host.name} closed the connection`)
    }
  }

  /** The machine goes silent. Nobody is told; peers notice after the detection delay. */
  powerOff(host: NetworkHost): void {
    host.on = false
    host.listeners.clear()
    for (const end of [...host.ends]) {
      end.severed = true
      this.#connections.abandon(end, `${host.name} does not answer`)
    }
  }

  /** Adapts every connection to the present reachability. */
  #apply(): void {
    for (const host of this.#connections.network.hosts) {
      for (const end of [...host.ends]) {
        if (end.peer === undefined) continue
        const severed = !this.reaches(end.host, end.peer.host)
        if (severed && !end.severed) this.#sever(end)
        end.severed = severed
      }
    }
  }

  #sever(end: ConnectionEnd): void {
    if (this.#connections.network.isSending(end)) this.#connections.breakConnection(end, "the link is cut")
  }
}

const cutKey = (from: NetworkHost, to: NetworkHost): number => from.index * 0x1000000 + to.index
