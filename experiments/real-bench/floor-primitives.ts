// What single steps cost in bare Node, in seconds of processor time for a number of bytes: receiving them over loopback
// into one's own memory, SHA-256, writing a file, reading it again from the page cache; and the time of its sync. Each
// step runs alone in this thread, and only this thread counts. Prints JSON.
//
//   node floor-primitives.ts BYTES FOLDER

import { createHash } from "node:crypto"
import { once } from "node:events"
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs"
import { type AddressInfo, connect } from "node:net"
import { join } from "node:path"
import { Worker } from "node:worker_threads"

/** Bytes of each step at once. */
const blockLength = 2 ** 20

const bytes = Number(process.argv[2])
const folder = process.argv[3] ?? "."
const blocks = Math.ceil(bytes / blockLength)
const block = Buffer.alloc(blockLength, "shoal")

/** Seconds of this thread. */
const processorSeconds = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1e6
}

const costOf = (step: () => void): number => {
  const before = processorSeconds()
  step()
  return processorSeconds() - before
}

/** A thread that sends the bytes to whoever connects, and tells its port. */
const sender = `
const { createServer } = require("node:net")
const { parentPort, workerData } = require("node:worker_threads")
const block = Buffer.alloc(workerData.length)
const server = createServer((socket) => {
  let left = workerData.blocks
  const more = () => {
    if (left-- > 0) socket.write(block, more)
    else socket.end(() => server.close())
  }
  more()
}).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address()))
`

const receiveCost = async (): Promise<number> => {
  const worker = new Worker(sender, { eval: true, workerData: { length: blockLength, blocks } })
  const [{ port }] = (await once(worker, "message")) as [AddressInfo]
  const before = processorSeconds()
  const socket = connect({
    port,
    host: "127.0.0.1",
    onread: { buffer: Buffer.alloc(blockLength), callback: () => true }
  })
  await once(socket, "close")
  const cost = processorSeconds() - before
  await worker.terminate()
  return cost
}

const hash = costOf(() => {
  const digest = createHash("sha256")
  for (let each = 0; each < blocks; each++) digest.update(block)
  digest.digest()
})
const file = openSync(join(folder, "primitive"), "w+")
const write = costOf(() => {
  for (let each = 0; each < blocks; each++) writeSync(file, block)
})
const began = performance.now()
fsyncSync(file)
const sync = (performance.now() - began) / 1000
const read = costOf(() => {
  for (let each = 0; each < blocks; each++) readSync(file, block, 0, blockLength, each * blockLength)
})
closeSync(file)
process.stdout.write(`${JSON.stringify({ receive: await receiveCost(), hash, write, read, sync })}\n`)
