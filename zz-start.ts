import { Effect } from "effect"
import { writeSync } from "node:fs"
import { writeHeapSnapshot } from "node:v8"
import { Session } from "node:inspector"
import { writeFileSync } from "node:fs"
const dir = process.cwd()
const { makeCluster } = await import(dir + "/experiments/simulated-cluster.ts")
const { promised } = await import(dir + "/experiments/bench-points.ts")
const agents = Number(process.argv[2])
const snapAt = process.argv[3]
const step = Number(process.argv[4] ?? 20)
const now = performance.now.bind(performance)
const out = (s: string) => writeSync(1, s + "\n")
const mem = (label: string) => {
  globalThis.gc!()
  globalThis.gc!()
  const m = process.memoryUsage()
  const h = m.heapUsed - base
  out(
    `${label} heap/agent ${(h / agents / 1e3).toFixed(1)} KB ext ${(m.external / 1e6).toFixed(0)} MB ab ${(m.arrayBuffers / 1e6).toFixed(0)} rss ${(m.rss / 1e6).toFixed(0)} wall ${((now() - t0) / 1000).toFixed(2)} ev ${cluster.simulation.stats().events}`
  )
  if (snapAt === label && prof) stopProf()
  if (snapAt === label) {
    writeHeapSnapshot("/tmp/s.heapsnapshot")
    process.exit()
  }
}
let base = 0
const prof = process.env.PROF
const session = new Session()
if (prof) {
  session.connect()
  session.post("HeapProfiler.startSampling", { samplingInterval: 2048 } as any)
}
const stopProf = () => {
  globalThis.gc!()
  session.post("HeapProfiler.getSamplingProfile", (e: any, r: any) => {
    writeFileSync("/tmp/heapprof.json", JSON.stringify(r.profile))
  })
  process.exit()
}
const t0 = now()
const spec = { ...promised[3]!.spec, agents }
const cluster = makeCluster(spec)
const torrent = spec.blobs.map(cluster.preload)[0]!
const { kernel, runExit } = cluster.simulation
mem("base")
base = process.memoryUsage().heapUsed
const val = (e: any) => {
  if (e._tag !== "Success") throw new Error(String(e.cause))
  return e.value
}
const running: any = val(runExit(cluster.start((p: any) => p)))
mem("started")
let done = 0
val(
  runExit(
    Effect.forkDetach(
      Effect.forEach(
        running.agents,
        (x: any) =>
          Effect.map(x.role.pull("n", torrent.metainfo.digest), () => {
            done++
          }),
        { concurrency: "unbounded", discard: true }
      )
    )
  )
)
mem("asked")
for (let i = 0; i < 60; i++) {
  val(runExit(Effect.sleep((step + " millis") as any)))
  mem(`t${(i + 1) * step} done ${done}`.replace(/ done.*/, ""))
  if (done === agents) break
}
