// Decides the numbers under which peer messages enter the trace, so that a hash tells one message from another: the
// wire's own.

import { tags } from "../protocol/frame-layout.ts"
import type { Message } from "../protocol/message.ts"

export const messageNumber = (message: Message): number => tags[message.tag]

/** The message's channel, 0 for those of the connection itself. */
export const messageChannel = (message: Message): number => ("channel" in message ? message.channel : 0)

/** The piece it is about; of several, their first and how many there are, mixed. */
export const messagePiece = (message: Message): number => {
  if ("piece" in message) return message.piece
  if ("pieces" in message) return Math.imul(message.pieces.length, 0x10001) ^ (message.pieces[0] ?? -1)
  return 0
}
