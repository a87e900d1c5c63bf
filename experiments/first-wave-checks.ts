// Decides when a wave's result is not to be believed: the last agent before the bound, an agent before its own floor, or
// bytes that do not add up. What is believed may be bad; what is not believed is a defect of the simulator, of the
// protocol's verification, or of the bound.

import { pieceCount } from "../src/protocol/metainfo.ts"
import { type EqualLinks, hostFloor, makespanBound } from "./bounds.ts"
import type { Wave } from "./first-wave-watch.ts"

/** Seconds. Measured times are whole microseconds, the bound is not. */
const tolerance = 1e-6

/** Why the run cannot be believed, in a line, or undefined. */
export const doubtOf = (wave: Wave, links: EqualLinks): string | undefined => {
  const { bytes, pieceLength, receivers, sources, rate, latency } = links
  const bound = makespanBound(links)
  const completions = wave.completions.map((micros) => micros / 1e6)
  const last = completions.reduce((latest, at) => Math.max(latest, at), 0)
  if (last < bound - tolerance) {
    return `the last agent completed after ${last} s, before the bound of ${bound} s`
  }
  const floor = hostFloor({ bytes, downlink: rate, othersUplink: (receivers - 1 + sources) * rate, latency })
  const early = completions.findIndex((at) => at < floor - tolerance)
  if (early !== -1) {
    return `agent ${early + 1} completed after ${completions[early]} s, before the floor of one host, ${floor} s`
  }
  const pieces = pieceCount({ length: bytes, pieceLength })
  const { agents, origins } = wave
  if (agents.piecesStored !== receivers * pieces) {
    return `${agents.piecesStored} pieces were stored, not ${pieces} by each of ${receivers} agents`
  }
  const received = agents.bytesReceivedFromAgents + agents.bytesReceivedFromOrigins
  const sent = agents.bytesSent + origins.bytesSent
  if (received < receivers * bytes) {
    return `agents received ${received} piece bytes, less than the ${receivers * bytes} that they stored`
  }
  if (received > sent) return `agents received ${received} piece bytes, but only ${sent} were sent`
  return undefined
}
