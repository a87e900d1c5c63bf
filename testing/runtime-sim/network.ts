// A small network for tests: hosts with listeners, sinks that record their calls and fail on a forbidden one, and
// time that passes on the kernel. For tests only.

import { Duration, Effect } from "effect"
import { expect } from "vitest"
import { eventKinds, Kernel } from "../../src/runtime-sim/kernel/kernel.ts"
import {
  type ConnectionEnd,
  type ConnectionSink,
  frameFlags,
  type NetworkHost
} from "../../src/runtime-sim/network/connection.ts"
import { Connections, type NetworkOptions } from "../../src/runtime-sim/network/connections.ts"
import { NetworkFaults } from "../../src/runtime-sim/network/faults.ts"

export const MB = 1_000_000
const options: NetworkOptions = {
  uplink: 100 * MB,
  downlink: 100 * MB,
  latency: 500,
  connectTimeout: 3_000_000,
  detectionDelay: 1_000_000
}

export interface Arrival {
  readonly payload: unknown
  readonly size: number
  readonly at: number
}

/** A sink that records its calls, and fails when one comes after the end. */
export class Recorder implements ConnectionSink {
  readonly arrivals: Arrival[] = []
  readonly events: string[] = []
  readonly sentAt: Array<readonly [payload: unknown, at: number]> = []
  readonly #kernel: Kernel
  end!: ConnectionEnd

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  opened() {
    this.#record("opened")
  }
  refused(reason: string) {
    this.#record(`refused: ${reason}`)
  }
  received(payload: unknown, size: number) {
    expect(this.over).toBe(false)
    this.arrivals.push({ payload, size, at: this.#kernel.now })
  }
  sent(payload: unknown) {
    this.sentAt.push([payload, this.#kernel.now])
  }
  closed(reason: string) {
    this.#record(`closed: ${reason}`)
  }
  get over(): boolean {
    return this.events.some((what) => !what.startsWith("opened"))
  }
  #record(what: string) {
    expect(this.over).toBe(false)
    this.events.push(`${what} @${this.#kernel.now}`)
  }
}

export const makeWorld = (changes: Partial<NetworkOptions> = {}) => {
  const kernel = new Kernel({ seed: "network" })
  const connections = new Connections(kernel, { ...options, ...changes })
  const { network } = connections
  const faults = new NetworkFaults(connections)
  const at = (instant: number, action: () => void) =>
    kernel.schedule(instant, { fire: action }, eventKinds.wake, 0, undefined)
  /** Two sleeps, so that everything due at the last instant has happened. */
  const passTime = (micros: number) => {
    kernel.runExit(Effect.sleep(Duration.millis((micros - 1) / 1000)))
    kernel.runExit(Effect.sleep(Duration.millis(1 / 1000)))
  }
  /** Listens on port 1. Returns the sinks of incoming connections. */
  const listen = (host: NetworkHost) => {
    const accepted: Recorder[] = []
    connections.listen(host, 1, (end) => {
      const sink = new Recorder(kernel)
      sink.end = end
      accepted.push(sink)
      return sink
    })
    return accepted
  }
  const dial = (from: NetworkHost, to: string, port = 1) => {
    const sink = new Recorder(kernel)
    sink.end = connections.dial(from, to, port, sink)
    return sink
  }
  const send = (from: Recorder, payload: unknown, size: number, flags: number = frameFlags.reportSent) =>
    connections.send(from.end, payload, size, 0, flags)
  /** Two hosts with an open connection, at 1 ms. */
  const pair = () => {
    const accepted = listen(connections.host("b"))
    const a = dial(connections.host("a"), "b")
    passTime(1000)
    return { a, b: accepted[0]!, hostA: connections.host("a"), hostB: connections.host("b") }
  }
  return { kernel, connections, network, faults, at, passTime, listen, dial, send, pair }
}
