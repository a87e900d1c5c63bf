// Any JSON with the shapes of a document: mostly its own keys and values, deep enough to resemble it, for tests that
// parsers refuse or accept everything without failing.

import fc from "fast-check"

export const anyJson = (
  key: fc.Arbitrary<string>,
  value: fc.Arbitrary<unknown>,
  maxDepth: number
): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth },
      value,
      fc.array(tie("json")),
      fc.dictionary(key, tie("json")),
      fc.jsonValue()
    )
  })).json
