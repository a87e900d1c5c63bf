// One run of real processes in network namespaces: a herd and agents, each in a namespace with a shaped link of its
// own. A blob of random bytes is pushed, and the registry of every agent is asked for it at the same time. Namespaces,
// processes and folders are new for each run and removed at its end.
//
//   namespaces -> started -> ready -> warmed up with another blob -> pushed -> settled -> pulls begin -> pulls end
//
// Pieces get another length than the size decides by metainfo that lies in the origin's folder before the push.
//
// Invariants: nothing is left running, whatever fails; every step has a time limit.

import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { setPriority } from "node:os"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import { HttpClient } from "effect/http"
import { makeFolder } from "../../experiments/report/make-folder.ts"
import {
  pullAtOnce,
  pushBlob,
  type RandomBlob,
  randomBlob,
  settleMillis,
  warmUpBytes
} from "../../experiments/sim-versus-net/registry-pull.ts"
import {
  boundOfLinks,
  limiterBurst,
  limitOf,
  type ShapedLinks
} from "../../experiments/sim-versus-net/simulated-links.ts"
import { invariant } from "../protocol/kit/invariant.ts"
import { parseDigest } from "../protocol/wire/digest.ts"
import { hashBytes, pieceHash, rootOfLayer } from "../protocol/wire/hash-tree.ts"
import { pieceCount } from "../protocol/wire/metainfo.ts"
import { nodeHttpClient } from "../runtime-net/http/http-client.ts"
import { sha256 } from "../runtime-net/platform/node-digests.ts"
import { monotonicNow } from "../runtime-net/platform/node-timers.ts"
import { blobFolders } from "../runtime-net/store/blob-folders.ts"
import { nodeDisk } from "../runtime-net/store/disk.ts"
import { openFileBlobStore } from "../runtime-net/store/file-blob-store.ts"
import { runChild } from "./child-process.ts"
import { CliFailure } from "./cli-failure.ts"
import { countedBetween, type HostCounters, readCounters } from "./namespace-counters.ts"
import { type LinkShape, namePrefix, planNamespaces, planProcesses } from "./namespace-plan.ts"
import { type SocketsSummary, withSocketsWatched } from "./namespace-sockets.ts"
import { makeNamespaces } from "./network-namespaces.ts"
import { writeFolder } from "./preflight.ts"
import { processorUseDuring } from "./processor-time.ts"
import { untilReady } from "./up.ts"

export interface NamespaceRunOptions extends ShapedLinks {
  readonly shape: LinkShape
  /** Name of TCP's congestion control. */
  readonly congestion: string
  /** Further settings of the kernel, for every host. */
  readonly settings: ReadonlyArray<string>
  /** Parent of the data folders of the hosts. */
  readonly storage: string
}

/** Seconds are since all agents were asked. */
export interface NamespaceRun {
  /** When the client of each agent had the last byte. */
  readonly delivered: ReadonlyArray<number>
  /** When each agent had verified and committed the blob. */
  readonly completed: ReadonlyArray<number>
  /** Shares of all processors while agents pulled: of the hosts and this process, and of everything. */
  readonly cpu: number
  readonly machine: number
  /** What each host counted, the herd first. */
  readonly hosts: ReadonlyArray<HostCounters>
  /** What the peer sockets of an agent held in the kernel. */
  readonly sockets: SocketsSummary
}

/** Time limit of a flash crowd: a multiple of the bound, and a constant. */
const patienceFactor = 10
const patienceSeconds = 60
const pushWithin = "120 seconds"
const priority = -10

/** Puts this process, and so the hosts that it starts, above other work, which would otherwise be measured too. */
const raisePriority = (): void => {
  try {
    setPriority(priority)
  } catch {
    // A container may forbid it.
  }
}

const failed = (error: { readonly message: string }): CliFailure =>
  new CliFailure({ message: `the measured run failed: ${error.message}` })

const within = (seconds: number, what: string) =>
  Effect.timeoutOrElse({
    duration: Duration.seconds(seconds),
    orElse: () => new CliFailure({ message: `the measured run: ${what} took more than ${seconds} s` })
  })

const folderBelow = (storage: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(storage, namePrefix)),
      catch: (error) =>
        new CliFailure({
          message: `cannot make a folder in ${storage}: ${error}; name another with --storage`
        })
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

/** The digest, which is valid because randomBlob made it. */
const digestOf = ({ digest }: RandomBlob) => {
  const parsed = parseDigest(digest)
  invariant(parsed !== undefined, "a random blob has a digest")
  return parsed
}

/** Puts metainfo with this piece length where the origin looks for it before it makes its own. */
const layMetainfo = (folder: string, blob: RandomBlob, pieceLength: number) =>
  Effect.gen(function* () {
    const digest = digestOf(blob)
    const length = blob.bytes.byteLength
    const shape = { length, pieceLength }
    const layer = new Uint8Array(pieceCount(shape) * hashBytes)
    for (let piece = 0; piece < pieceCount(shape); piece++) {
      const bytes = blob.bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength)
      layer.set(pieceHash(shape, bytes, sha256), piece * hashBytes)
    }
    const root = rootOfLayer(shape, layer, sha256)
    const store = yield* openFileBlobStore(nodeDisk, folder)
    yield* store.putMetainfo({ digest, length, pieceLength, root })
  }).pipe(Effect.scoped, Effect.mapError(failed))

/** When a blob got its name, which it gets when it is whole, verified and synced: the change time of its file. */
const committedAt = (folder: string, blob: RandomBlob): number =>
  statSync(blobFolders(folder).blob(digestOf(blob))).ctimeMs / 1000

/** Runs once. Fails with one line when a process does not start, a pull fails, or a step takes too long. */
export const runInNamespaces = (
  options: NamespaceRunOptions,
  told: (step: string) => void
): Effect.Effect<NamespaceRun, CliFailure> =>
  Effect.gen(function* () {
    const { agents, size, pieceLength, shape, congestion, settings, storage } = options
    const data = yield* folderBelow(storage)
    told("makes the namespaces")
    const plan = planNamespaces({ id: process.pid, agents, shape, congestion, settings })
    yield* makeNamespaces(plan)
    const limit = limitOf(options)
    const processes = planProcesses({
      plan,
      data,
      ...(limit === undefined ? {} : { rates: { egress: limit, ingress: limit, burst: limiterBurst } })
    })
    const [herd, ...others] = processes
    invariant(herd !== undefined, "a plan has a herd")
    const fresh = (length: number) => randomBlob(randomBytes(16).toString("hex"), length)
    const blob = fresh(size)
    yield* writeFolder(data, processes)
    makeFolder(join(data, herd.name))
    yield* layMetainfo(join(data, herd.name, "origin"), blob, pieceLength)

    told("starts the processes")
    raisePriority()
    const children = yield* Effect.forEach(
      processes,
      ({ name, role, configFile, logFile, host: { namespace } }) =>
        runChild({
          name,
          args: [role, "--config", configFile],
          logFile,
          patience: "none",
          through: ["ip", "netns", "exec", namespace]
        }),
      { concurrency: "unbounded" }
    )
    const anyDied = Effect.raceAllFirst(children.map(({ died }) => died))

    const client = yield* HttpClient.HttpClient
    const asked = (process: { readonly registry: string }) => ({ url: process.registry, client })
    const push = (pushed: RandomBlob) =>
      pushBlob(asked(herd), pushed).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({
          duration: pushWithin,
          orElse: () => new CliFailure({ message: "the measured run: a push took too long" })
        })
      )
    const pull = (pulled: RandomBlob) =>
      pullAtOnce(others.map(asked), pulled, monotonicNow).pipe(
        Effect.mapError(failed),
        within(
          Math.ceil(
            patienceSeconds + patienceFactor * boundOfLinks({ ...options, size: pulled.bytes.byteLength })
          ),
          "the pulls"
        )
      )

    const run = Effect.gen(function* () {
      yield* Effect.forEach(processes, untilReady, { discard: true, concurrency: "unbounded" })
      told("warms up")
      const warmUp = fresh(Math.min(warmUpBytes, size))
      yield* push(warmUp)
      yield* pull(warmUp)
      yield* push(blob)
      yield* Effect.sleep(Duration.millis(settleMillis))
      const before = yield* readCounters(plan, processes)
      told("pulls")
      const began = Date.now() / 1000
      const pids = [process.pid, ...children.map(({ pid }) => pid)]
      const [[done, sockets], use] = yield* processorUseDuring(pids, withSocketsWatched(plan, pull(blob)))
      const after = yield* readCounters(plan, processes)
      return {
        delivered: done.map((micros) => micros / 1e6),
        completed: others.map(({ name }) => committedAt(join(data, name), blob) - began),
        cpu: use.own,
        machine: use.machine,
        hosts: countedBetween(before, after),
        sockets
      }
    })
    return yield* Effect.raceFirst(run, anyDied)
  }).pipe(Effect.scoped, Effect.provide(nodeHttpClient))
