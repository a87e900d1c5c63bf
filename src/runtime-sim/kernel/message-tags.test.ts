// The marks of messages in the trace: messages that differ in tag, channel or pieces have different marks.

import { expect, it } from "vitest"
import type { Message } from "../../protocol/wire/message.ts"
import { messageMark } from "./message-tags.ts"

const messages: ReadonlyArray<Message> = [1, 2].flatMap((channel) =>
  [
    { tag: "Open", channel },
    { tag: "Close", channel },
    ...[[], [1], [2], [1, 2], [2, 1], [1, 2, 3]].flatMap((pieces) => [
      { tag: "Have", channel, pieces },
      { tag: "Suggest", channel, pieces }
    ]),
    ...[0, 1].flatMap((piece) =>
      ["Request", "Piece", "Reject", "Cancel"].map((tag) => ({ tag, channel, piece }))
    )
  ].map((message) => message as unknown as Message)
)

it("tells messages apart by tag, channel, and the pieces that they concern", () => {
  const ofConnection = ["Hello", "Bye"].map((tag) => ({ tag }) as unknown as Message)
  const marks = [...messages, ...ofConnection].map(messageMark)
  expect(new Set(marks).size).toBe(marks.length)
  for (const mark of marks) expect(Number.isInteger(mark)).toBe(true)
})
