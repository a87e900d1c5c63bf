// What the answer of a report has to be: one to three sentences of at most 30 words each, with figures left to the
// tables.

import { assert } from "vitest"

const mostSentences = 3
const mostWords = 30

/** A sentence ends with a mark before a blank: the points within numbers and names do not count. */
const sentencesOf = (text: string): ReadonlyArray<string> => text.split(/(?<=[.!?])\s+/)

/** Holds `answer` to its form, and gives it. */
export const assertPlain = (answer: string): string => {
  assert.match(answer, /^[A-Z0-9].*\.$/, answer)
  const sentences = sentencesOf(answer)
  assert.isAtMost(sentences.length, mostSentences, answer)
  for (const sentence of sentences) assert.isAtMost(sentence.split(/\s+/).length, mostWords, sentence)
  return answer
}
