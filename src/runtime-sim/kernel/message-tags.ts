// The number under which a peer message enters the trace, so that a hash tells one message from another: its tag on
// the wire, its channel, and the piece that it concerns. The code is written out by tag, because every message passes
// here.

import { tags } from "../../protocol/wire/frame-layout.ts"
import type { Message } from "../../protocol/wire/message.ts"
import { mixNumbers } from "./trace.ts"

/**
 * A 32-bit mark. Messages of the connection itself have channel 0. For several pieces, the first and their number
 * count.
 */
export const messageMark = (message: Message): number => {
  switch (message.tag) {
    case "Have":
      return mixNumbers(tags.Have, message.channel, severalPieces(message.pieces))
    case "Request":
      return mixNumbers(tags.Request, message.channel, message.piece)
    case "Piece":
      return mixNumbers(tags.Piece, message.channel, message.piece)
    case "Reject":
      return mixNumbers(tags.Reject, message.channel, message.piece)
    case "Cancel":
      return mixNumbers(tags.Cancel, message.channel, message.piece)
    case "Suggest":
      return mixNumbers(tags.Suggest, message.channel, severalPieces(message.pieces))
    case "Open":
    case "Close":
      return mixNumbers(tags[message.tag], message.channel, 0)
    case "Hello":
    case "Bye":
      return mixNumbers(tags[message.tag], 0, 0)
  }
}

const severalPieces = (pieces: readonly number[]): number =>
  Math.imul(pieces.length, 0x10001) ^ (pieces[0] ?? -1)
