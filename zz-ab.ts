import { Effect } from "effect"
const dir = process.argv[2]!
const { runWave } = await import(`${dir}/experiments/wave-run.ts`)
const [agents, blobs, pieces, seed] = process.argv.slice(3).map(Number) as [number, number, number, number]
const pl = Number(process.argv[7] ?? 4e6)
const origins = Number(process.argv[8] ?? 5)
const cpu0 = process.cpuUsage(), t0 = performance.now.bind(performance), b = t0()
const cu = process.cpuUsage.bind(process)
const spec = { seed, agents, origins, trackers: origins, blobs: Array.from({ length: blobs }, (_, i) => ({ name: `bench ${i + 1}`, length: pieces * pl, pieceLength: pl })), links: { model: process.env.MODEL ?? "queue", rate: 3e8, burst: 0, latency: 500 }, patience: 3_600_000_000 }
const { boundOf } = await import(`${dir}/experiments/wave-bound.ts`)
const bound = boundOf(spec).seconds
const r: any = await Effect.runPromise(Effect.result(runWave(spec, {}, { update() {}, finish() {} })))
if (r._tag === "Failure") { console.log(r.failure.message); process.exit(1) }
const w = r.success
const done = [...w.lastPieces].sort((a: number, b: number) => a - b)
const q = (f: number) => (done[Math.min(done.length - 1, Math.ceil(f * done.length) - 1)]! / 1e6 / bound).toFixed(4)
const c = w.agents
console.log(`p50 ${q(0.5)} p99 ${q(0.99)} p999 ${q(0.999)} max ${q(1)} ev/tr ${(w.events / w.pieceTransfers).toFixed(2)} cpu ${(cu(cpu0).user / 1e6).toFixed(1)} wall ${((t0() - b) / 1000).toFixed(1)} rej/tr ${(c.rejectsReceived / w.pieceTransfers).toFixed(3)} dup ${c.piecesDuplicate} copies ${(w.allOutside.sentByOrigins / spec.blobs.reduce((s: number, x: any) => s + x.length, 0)).toFixed(3)}`)
if ((globalThis as any).__C) for (const [k, v] of Object.entries((globalThis as any).__C).sort((a: any, b: any) => b[1] - a[1]).slice(0, 16)) console.log("  ", k, ((v as number) / w.pieceTransfers).toFixed(3))
