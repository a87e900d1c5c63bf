import { Duration, Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { ConnectionEnd, ConnectionSink, NetworkHost } from "./connection.ts"
import { NetworkFaults } from "./faults.ts"
import { eventKinds, Kernel } from "./kernel.ts"
import { bulkThreshold } from "./links.ts"
import { Connections, type NetworkOptions } from "./connections.ts"

const MB = 1_000_000
const options: NetworkOptions = {
  uplink: 100 * MB,
  downlink: 100 * MB,
  latency: 500,
  connectTimeout: 3_000_000,
  detectionDelay: 1_000_000
}

interface Arrival {
  readonly payload: unknown
  readonly size: number
  readonly at: number
}

/** A sink that writes down what it is told, and fails when it is told what it must not be. */
class Recorder implements ConnectionSink {
  readonly arrivals: Arrival[] = []
  readonly told: string[] = []
  readonly sentAt: Array<readonly [payload: unknown, at: number]> = []
  readonly #kernel: Kernel
  end!: ConnectionEnd

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  opened() {
    this.#tell("opened")
  }
  refused(reason: string) {
    this.#tell(`refused: ${reason}`)
  }
  received(payload: unknown, size: number) {
    expect(this.over).toBe(false)
    this.arrivals.push({ payload, size, at: this.#kernel.now })
  }
  sent(payload: unknown) {
    this.sentAt.push([payload, this.#kernel.now])
  }
  closed(reason: string) {
    this.#tell(`closed: ${reason}`)
  }
  get over(): boolean {
    return this.told.some((what) => !what.startsWith("opened"))
  }
  #tell(what: string) {
    expect(this.over).toBe(false)
    this.told.push(`${what} @${this.#kernel.now}`)
  }
}

const makeWorld = (changes: Partial<NetworkOptions> = {}) => {
  const kernel = new Kernel({ seed: "network" })
  const connections = new Connections(kernel, { ...options, ...changes })
  const { network } = connections
  const faults = new NetworkFaults(connections)
  const at = (instant: number, action: () => void) =>
    kernel.schedule(instant, { fire: action }, eventKinds.wake, 0, undefined)
  /** In two sleeps, so that what was due at the last instant has happened. */
  const passTime = (micros: number) => {
    kernel.runExit(Effect.sleep(Duration.millis((micros - 1) / 1000)))
    kernel.runExit(Effect.sleep(Duration.millis(1 / 1000)))
  }
  /** Listens on port 1; gives the sinks of what comes in. */
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
  const send = (from: Recorder, payload: unknown, size: number) =>
    connections.send(from.end, payload, size, 0, true)
  /** Two hosts with an open connection, at 1 ms. */
  const pair = () => {
    const accepted = listen(connections.host("b"))
    const a = dial(connections.host("a"), "b")
    passTime(1000)
    return { a, b: accepted[0]!, hostA: connections.host("a"), hostB: connections.host("b") }
  }
  return { kernel, connections, network, faults, at, passTime, listen, dial, send, pair }
}

describe("a connection", () => {
  it("opens after a round trip, and is refused where nobody listens", () => {
    const { listen, dial, passTime, connections } = makeWorld()
    const accepted = listen(connections.host("b"))
    const a = dial(connections.host("a"), "b")
    const refused = dial(connections.host("a"), "b", 2)
    const unknown = dial(connections.host("a"), "nobody")
    passTime(5000)
    expect(accepted[0]!.told).toEqual(["opened @500"])
    expect(a.told).toEqual(["opened @1000"])
    expect(refused.told).toEqual(["refused: connection refused by b:2 @1000"])
    expect(unknown.told).toEqual(["refused: no host is called nobody @1"])
  })

  it("delivers a bulk frame after latency and its time on a link, cut through", () => {
    const { pair, send, passTime } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    passTime(20_000)
    expect(a.sentAt).toEqual([["piece", 11_000]])
    expect(b.arrivals).toEqual([{ payload: "piece", size: MB, at: 11_500 }])
  })

  it("lets a slower downlink decide", () => {
    const { listen, dial, send, passTime, connections } = makeWorld()
    const accepted = listen(connections.host("b", { uplink: 100 * MB, downlink: 50 * MB }))
    const a = dial(connections.host("a"), "b")
    passTime(1000)
    send(a, "piece", MB)
    passTime(30_000)
    expect(accepted[0]!.arrivals[0]!.at).toBe(1000 + 500 + 20_000)
  })

  it("sends control past bulk of other connections, and behind bulk of its own", () => {
    const { listen, dial, send, passTime, connections } = makeWorld()
    const toB = listen(connections.host("b"))
    const toC = listen(connections.host("c"))
    const ab = dial(connections.host("a"), "b")
    const ac = dial(connections.host("a"), "c")
    passTime(1000)
    send(ab, "piece", MB)
    send(ab, "behind", 100)
    send(ac, "past", 100)
    passTime(20_000)
    expect(toC[0]!.arrivals.map(({ at }) => at)).toEqual([1503])
    expect(toB[0]!.arrivals.map(({ payload }) => payload)).toEqual(["piece", "behind"])
  })

  it("closes after what was sent, and tells both ends once", () => {
    const { network, pair, send, passTime, connections } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    connections.close(a.end, "done")
    send(a, "too late", 10)
    passTime(30_000)
    expect(b.arrivals.map(({ payload }) => payload)).toEqual(["piece"])
    expect(b.told).toEqual(["opened @500", "closed: done @11500"])
    expect(a.told).toEqual(["opened @1000", "closed: done @12000"])
    expect(network.hosts.map(({ ends }) => ends.size)).toEqual([0, 0])
  })

  it("is lost at once by a reset", () => {
    const { network, pair, send, passTime, connections } = makeWorld()
    const { a, b } = pair()
    send(a, "piece", MB)
    connections.reset(a.end, "gone")
    passTime(30_000)
    expect(b.arrivals).toEqual([])
    expect([a.told[1], b.told[1]]).toEqual(["closed: gone @1000", "closed: gone @1500"])
    network.checkConservation()
  })
})

describe("faults", () => {
  it("a killed process is reset by its machine, and what it had queued never leaves", () => {
    const { faults, network, pair, send, passTime, dial } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    for (let piece = 0; piece < 5; piece++) send(a, piece, MB)
    passTime(15_000)
    faults.killProcess(hostA)
    passTime(5_000_000)
    expect(b.arrivals.map(({ payload }) => payload)).toEqual([0])
    expect(b.told[1]).toBe("closed: a reset the connection @16500")
    expect(a.told).toEqual(["opened @1000"])
    faults.killProcess(hostB)
    const again = dial(hostA, "b")
    passTime(10_000)
    expect(again.told[0]).toMatch(/refused: connection refused/)
    network.checkConservation()
    expect(network.bytesUnderWay()).toBe(0)
  })

  it("a machine without power is found out by waiting", () => {
    const { faults, pair, passTime, dial } = makeWorld()
    const { a, b, hostA } = pair()
    faults.powerOff(hostA)
    const late = dial(b.end.host, "a")
    passTime(5_000_000)
    expect(b.told[1]).toBe("closed: a does not answer @1001000")
    expect(a.told).toHaveLength(1)
    expect(late.told).toEqual(["refused: a:1 does not answer @3001000"])
  })

  it("a cut breaks a connection that is used, and spares one that is idle until it heals", () => {
    const { faults, pair, send, dial, passTime, network } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    const idle = dial(hostA, "b")
    passTime(2000)
    send(a, "lost", MB)
    faults.cut(hostA, hostB)
    const unanswered = dial(hostA, "b")
    passTime(500_000)
    faults.heal(hostA, hostB)
    passTime(5_000_000)
    expect(b.arrivals).toEqual([])
    expect(a.told[1]).toBe("closed: the link is cut @1003000")
    expect(b.told[1]).toBe("closed: the link is cut @1003000")
    expect(unanswered.told).toEqual(["refused: b:1 does not answer @3003000"])
    expect(idle.told).toHaveLength(1)
    send(idle, "again", 100)
    passTime(10_000)
    expect(network.links.bytes(hostB.index).received).toBeGreaterThan(0)
    network.checkConservation()
  })

  it("a one-way cut loses one direction", () => {
    const { faults, pair, send, passTime } = makeWorld()
    const { a, b, hostA, hostB } = pair()
    faults.cutOneWay(hostA, hostB)
    send(b, "arrives", 100)
    passTime(10_000)
    expect(a.arrivals).toHaveLength(1)
    send(a, "lost", 100)
    passTime(2_000_000)
    expect(b.arrivals).toHaveLength(0)
    expect([a.over, b.over]).toEqual([true, true])
  })

  it("a partition separates groups and heals", () => {
    const { faults, listen, dial, passTime, connections } = makeWorld()
    const [a, b, c] = [connections.host("a"), connections.host("b"), connections.host("c")]
    listen(b)
    listen(c)
    faults.partition([[a, b]])
    const inside = dial(a, "b")
    const across = dial(a, "c")
    passTime(4_000_000)
    faults.healAll()
    const healed = dial(a, "c")
    passTime(1_000_000)
    expect(inside.told[0]).toMatch(/^opened/)
    expect(across.told[0]).toMatch(/^refused/)
    expect(healed.told[0]).toMatch(/^opened/)
  })
})

interface Transfer {
  readonly at: number
  readonly from: number
  readonly to: number
  readonly size: number
}

const hostCount = 5
const transfer: fc.Arbitrary<Transfer> = fc.record({
  at: fc.nat(200_000),
  from: fc.nat(hostCount - 1),
  to: fc.nat(hostCount - 1),
  size: fc.oneof(fc.integer({ min: 1, max: bulkThreshold }), fc.integer({ min: bulkThreshold, max: 2 * MB }))
})

const ratesOf = (host: number) => ({ uplink: (host + 1) * 20 * MB, downlink: (hostCount - host) * 20 * MB })

/** All pairs of distinct hosts connected, both ways over one connection a pair. */
const fullMesh = () => {
  const world = makeWorld()
  const hosts = Array.from({ length: hostCount }, (_, index) =>
    world.connections.host(`h${index}`, ratesOf(index))
  )
  const accepted = hosts.map((host) => world.listen(host))
  const ends = new Map<string, Recorder>()
  for (let from = 0; from < hostCount; from++) {
    for (let to = from + 1; to < hostCount; to++) {
      const dialled = world.dial(hosts[from]!, `h${to}`)
      world.passTime(2000)
      ends.set(`${from}>${to}`, dialled)
      ends.set(`${to}>${from}`, accepted[to]!.at(-1)!)
    }
  }
  return { ...world, hosts, ends, start: world.kernel.now }
}

describe("whatever is sent", () => {
  it("arrives once, in order, not before light and links allow, and no link carries more than its rate", () => {
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 60 }), (transfers) => {
        const { hosts, ends, at, send, passTime, network, start } = fullMesh()
        const sent = new Map<string, number[]>()
        for (const [index, { at: when, from, to, size }] of transfers.entries()) {
          if (from === to) continue
          at(start + when, () => {
            const name = `${from}>${to}`
            sent.set(name, [...(sent.get(name) ?? []), index])
            send(ends.get(name)!, index, size)
          })
        }
        passTime(20_000_000)
        network.checkConservation()
        expect(network.bytesUnderWay()).toBe(0)
        const perHost = hosts.map(() => ({ up: [] as Arrival[], down: [] as Arrival[] }))
        for (const [name, indices] of sent) {
          const [from, to] = name.split(">").map(Number) as [number, number]
          const { arrivals } = ends.get(`${to}>${from}`)!
          expect(arrivals.map(({ payload }) => payload)).toEqual(indices)
          for (const arrival of arrivals) {
            const { at: when, size } = transfers[arrival.payload as number]!
            const uplinkCost = 1e6 / ratesOf(from).uplink
            const downlinkCost = 1e6 / ratesOf(to).downlink
            const least = start + when + 500 + size * Math.max(uplinkCost, downlinkCost)
            expect(arrival.at).toBeGreaterThanOrEqual(Math.floor(least))
            perHost[from]!.up.push(arrival)
            perHost[to]!.down.push(arrival)
          }
        }
        for (const [index, { up, down }] of perHost.entries()) {
          expectWithinRate(up, 1e6 / ratesOf(index).uplink, transfers, start)
          expectWithinRate(down, 1e6 / ratesOf(index).downlink, transfers, start)
        }
      }),
      { numRuns: 60 }
    )
  })

  it("is received in order up to where it broke, or lost, whatever fails", () => {
    const fault = fc.record({
      at: fc.nat(250_000),
      kind: fc.constantFrom(
        "cut",
        "oneWay",
        "heal",
        "kill",
        "powerOff",
        "partition",
        "healAll",
        "close",
        "reset"
      ),
      first: fc.nat(hostCount - 1),
      second: fc.nat(hostCount - 1)
    })
    fc.assert(
      fc.property(
        fc.array(transfer, { maxLength: 60 }),
        fc.array(fault, { maxLength: 8 }),
        (transfers, breaks) => {
          const { hosts, ends, at, send, passTime, network, faults, start, connections } = fullMesh()
          const sent = new Map<string, number[]>()
          for (const [index, { at: when, from, to, size }] of transfers.entries()) {
            if (from === to) continue
            at(start + when, () => {
              const name = `${from}>${to}`
              sent.set(name, [...(sent.get(name) ?? []), index])
              send(ends.get(name)!, index, size)
            })
          }
          for (const { at: when, kind, first, second } of breaks) {
            const [a, b] = [hosts[first]!, hosts[second]!]
            const end = ends.get(`${first}>${second}`)?.end
            at(start + when, () => {
              if (kind === "cut") faults.cut(a, b)
              else if (kind === "oneWay") faults.cutOneWay(a, b)
              else if (kind === "heal") faults.heal(a, b)
              else if (kind === "kill") faults.killProcess(a)
              else if (kind === "powerOff") faults.powerOff(a)
              else if (kind === "partition") faults.partition([[a], [b]])
              else if (kind === "healAll") faults.healAll()
              else if (end !== undefined && kind === "close") connections.close(end, "closed")
              else if (end !== undefined) connections.reset(end, "reset")
              network.checkConservation()
            })
          }
          passTime(20_000_000)
          network.checkConservation()
          expect(network.bytesUnderWay()).toBe(0)
          for (const [name, indices] of sent) {
            const [from, to] = name.split(">").map(Number) as [number, number]
            const arrived = ends.get(`${to}>${from}`)!.arrivals.map(({ payload }) => payload)
            expect(arrived).toEqual(indices.slice(0, arrived.length))
          }
          for (const host of hosts) {
            for (const end of host.ends) expect(network.isSending(end)).toBe(false)
          }
        }
      ),
      { numRuns: 100 }
    )
  })
})

/** In no span that begins with a sending and ends with an arrival does a link carry more than its rate allows. */
const expectWithinRate = (
  arrivals: ReadonlyArray<Arrival>,
  cost: number,
  transfers: ReadonlyArray<Transfer>,
  start: number
): void => {
  const sentAt = (arrival: Arrival): number => start + transfers[arrival.payload as number]!.at
  const control = arrivals.reduce((sum, { size }) => sum + (size > bulkThreshold ? 0 : size), 0)
  for (const first of arrivals) {
    for (const last of arrivals) {
      let work = 0
      for (const arrival of arrivals) {
        if (sentAt(arrival) >= sentAt(first) && arrival.at <= last.at) work += arrival.size * cost
      }
      // Control goes past bulk and delays what comes after, so at most itself is early.
      expect(work).toBeLessThanOrEqual(Math.max(0, last.at - sentAt(first)) + control * cost + 1)
    }
  }
}
