// What single steps cost in bare Node, in seconds of processor time for a number of bytes: receiving them over loopback
// into one's own memory, sending them, SHA-256, writing a file, reading it again from the page cache; and the time of
// its sync. Each step runs alone in this thread, and only this thread counts. Prints JSON.
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

/** A thread that listens, tells its port, and sends all bytes to who connects, or reads until there are no more. */
const peer = `
const { createServer } = require("node:net")
const { parentPort, workerData } = require("node:worker_threads")
const block = Buffer.alloc(workerData.length)
const server = createServer((socket) => {
  server.close()
  if (!workerData.sends) return socket.resume()
  let left = workerData.blocks
  const more = () => {
    if (left-- > 0) socket.write(block, more)
    else socket.end()
  }
  more()
}).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address()))
`

/** The cost of this thread's side of a connection to the other thread. */
const connectionCost = async (peerSends: boolean, use: (port: number) => Promise<void>): Promise<number> => {
  const worker = new Worker(peer, {
    eval: true,
    workerData: { length: blockLength, blocks, sends: peerSends }
  })
  const [{ port }] = (await once(worker, "message")) as [AddressInfo]
  const before = processorSeconds()
  await use(port)
  const cost = processorSeconds() - before
  await worker.terminate()
  return cost
}

const receive = async (port: number): Promise<void> => {
  const onread = { buffer: Buffer.alloc(blockLength), callback: () => true }
  await once(connect({ port, host: "127.0.0.1", onread }), "close")
}

const send = async (port: number): Promise<void> => {
  const socket = connect({ port, host: "127.0.0.1" })
  for (let each = 0; each < blocks; each++) {
    await new Promise<void>((resolve) => socket.write(block, () => resolve()))
  }
  // The other thread closes its end when it has read all.
  await once(socket.end(), "close")
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
const received = await connectionCost(true, receive)
const sent = await connectionCost(false, send)
process.stdout.write(`${JSON.stringify({ receive: received, send: sent, hash, write, read, sync })}\n`)
