// What peer sockets hold in the kernel while a flash crowd runs, seen with `ss`: bytes that the product gave to the
// kernel and the receiver's kernel has not acknowledged. One host is looked at a few times a second, so that looking
// costs little.

import { execFile } from "node:child_process"
import { Duration, Effect } from "effect"
import { type NamespacePlan, ports } from "./namespace-plan.ts"

/** The sockets of one host at one instant. */
interface SocketsSeen {
  /** Sockets with bytes in the kernel. */
  readonly sending: number
  /** Bytes in the kernel, of all sockets and of the fullest one. */
  readonly bytes: number
  readonly most: number
  /** The part of those bytes that TCP had not sent yet. */
  readonly unsent: number
}

export interface SocketsSummary extends SocketsSeen {
  readonly looks: number
}

const peerSockets = `( sport = :${ports.peer} or dport = :${ports.peer} )`
const betweenLooks = Duration.millis(250)
const lookMilliseconds = 5_000

/** The text of `ss -tinOH`: a line for each socket, with what waits to be sent in the third column. */
export const socketsIn = (text: string): SocketsSeen => {
  let sending = 0
  let bytes = 0
  let most = 0
  let unsent = 0
  for (const line of text.split("\n")) {
    const queued = Number(line.split(/\s+/)[2] ?? 0)
    if (!(queued > 0)) continue
    sending++
    bytes += queued
    most = Math.max(most, queued)
    unsent += Number(/ notsent:(\d+)/.exec(line)?.[1] ?? 0)
  }
  return { sending, bytes, most, unsent }
}

const look = (namespace: string): Effect.Effect<SocketsSeen | undefined> =>
  Effect.callback((resume) => {
    execFile(
      "ip",
      ["netns", "exec", namespace, "ss", "-tinOH", peerSockets],
      { timeout: lookMilliseconds },
      (error, stdout) => resume(Effect.succeed(error === null ? socketsIn(stdout) : undefined))
    )
  })

const mean = (all: ReadonlyArray<number>): number =>
  all.length === 0 ? 0 : all.reduce((sum, value) => sum + value, 0) / all.length

/** Means over the looks, and the most of any socket. */
const summaryOf = (seen: ReadonlyArray<SocketsSeen>): SocketsSummary => ({
  looks: seen.length,
  sending: mean(seen.map(({ sending }) => sending)),
  bytes: mean(seen.map(({ bytes }) => bytes)),
  most: Math.max(0, ...seen.map(({ most }) => most)),
  unsent: mean(seen.map(({ unsent }) => unsent))
})

/** Runs `effect`, and looks at the sockets of agents in turn until it ends. Looks that fail do not count. */
export const withSocketsWatched = <A, E, R>(
  { hosts }: NamespacePlan,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, SocketsSummary], E, R> =>
  Effect.gen(function* () {
    const agents = hosts.slice(1)
    const seen: Array<SocketsSeen> = []
    const watching = Effect.gen(function* () {
      for (let turn = 0; ; turn++) {
        yield* Effect.sleep(betweenLooks)
        const found = yield* look(agents[turn % agents.length]!.namespace)
        if (found !== undefined) seen.push(found)
      }
    })
    const value = yield* Effect.raceFirst(effect, watching as Effect.Effect<never>)
    return [value, summaryOf(seen)] as const
  })
