// Ports of 127.0.0.1 that this process reserves for what it tests, so that no other test process of this machine takes
// them before, between or after the starts of the process under test. A reservation is a bound UDP socket: the product
// listens on TCP alone, whose ports are apart, and the system gives each UDP port to one process at a time and takes it
// back when that process ends, however it ends. It does not protect from processes that do not ask here.

import { createSocket } from "node:dgram"
import { createServer } from "node:net"

const host = "127.0.0.1"

/** Ends a reservation. A second call does nothing. */
export type Release = () => void

/** Whether 127.0.0.1 can listen on a TCP port at this moment. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen({ host, port }, () => server.close(() => resolve(true)))
  })

/** Reserves the port for this process. Settles with undefined if any process has reserved it, this one included. */
const reserve = (port: number): Promise<Release | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4")
    let released = false
    const release = () => {
      if (!released) socket.close()
      released = true
    }
    socket.once("error", () => {
      release()
      resolve(undefined)
    })
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.unref()
      resolve(release)
    })
  })

/**
 * Reserves all of the ports if nobody has reserved or listens on any of them, and none otherwise (undefined). They stay
 * reserved until they are released or this process ends.
 */
export const reservePorts = async (ports: ReadonlyArray<number>): Promise<Release | undefined> => {
  const reserved: Array<Release> = []
  const releaseAll = () => {
    for (const release of reserved) release()
  }
  for (const port of ports) {
    const release = await reserve(port)
    if (release !== undefined) reserved.push(release)
    if (release === undefined || !(await isFree(port))) {
      releaseAll()
      return undefined
    }
  }
  return releaseAll
}
