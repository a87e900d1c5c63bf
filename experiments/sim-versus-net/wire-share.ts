// What is left of a shaped link for the bytes of pieces, when every host sends and receives as much as its link
// carries: the rest is headers and acknowledgements. Pure arithmetic on the sizes of the formats, nothing is measured.
//
//   a full segment:    14 Ethernet + 20 IPv4 + 20 TCP + 12 timestamps + 1448 of the stream = 1514 bytes at the shaper
//   an acknowledgement: 14 + 20 + 20 + 12 = 66 bytes, one for two segments, on the uplink of the host that receives
//   a piece:           the WebSocket header (10, and a mask of 4 from the side that dialled), then channel and number
//
// The shapers of Linux count the Ethernet header and not the preamble, the checksum or the gap of a real cable. Have,
// Request and the like are the protocol's own cost, and not taken off.

import { pieceHeaderBytes } from "../../src/protocol/wire/codec.ts"

const ethernetBytes = 14
const ipv4Bytes = 20
const tcpBytes = 20 + 12
const segmentsPerAcknowledgement = 2
const webSocketBytes = 14

/** Bytes per second of pieces that a link of `rate` bytes per second can carry in each direction at once. */
export const goodputOf = (rate: number, mtu: number, pieceLength: number): number => {
  const headers = ethernetBytes + ipv4Bytes + tcpBytes
  const stream = mtu - ipv4Bytes - tcpBytes
  const segment = stream / (mtu + ethernetBytes + headers / segmentsPerAcknowledgement)
  const piece = pieceLength / (pieceLength + webSocketBytes + pieceHeaderBytes)
  return Math.floor(rate * segment * piece)
}
