// Decides the numbers under which peer messages enter the trace, so that a hash tells one message from another.

import type { Message, MessageTag } from "../protocol/message.ts"

const numbers: Readonly<Record<MessageTag, number>> = {
  Hello: 1,
  Open: 2,
  Close: 3,
  Have: 4,
  Request: 5,
  Piece: 6,
  Reject: 7,
  Cancel: 8,
  Suggest: 9,
  Bye: 10
}

export const messageNumber = (message: Message): number => numbers[message.tag]

/** The message's channel, 0 for those of the connection itself. */
export const messageChannel = (message: Message): number => ("channel" in message ? message.channel : 0)

/** The piece it is about; of several, their first and how many there are, mixed. */
export const messagePiece = (message: Message): number => {
  if ("piece" in message) return message.piece
  if ("pieces" in message) return Math.imul(message.pieces.length, 0x10001) ^ (message.pieces[0] ?? -1)
  return 0
}
