// Image patterns of configuration rules: "repository" or "repository:tag", in which "*" is any text without a slash
// and "**" is any text. A pattern without a tag matches every tag.
//
// Invariant: the time of a match is proportional to the product of both lengths for any pattern. No regular
// expression is made from a pattern.

/** Characters of a pattern: the longest repository name (255) and tag (128), and a few for wildcards. */
export const maxPatternLength = 400

/** Whether the text is a well-formed pattern. */
export const isImagePattern = (text: string): boolean =>
  text.length <= maxPatternLength && /^[a-z0-9._*/-]+(?::[A-Za-z0-9._*-]+)?$/.test(text)

export const matchesImage = (pattern: string, repository: string, tag: string): boolean => {
  const [repositoryPattern, tagPattern] = pattern.split(":") as [string, string | undefined]
  return (
    matches(tokens(repositoryPattern), repository) &&
    (tagPattern === undefined || matches(tokens(tagPattern), tag))
  )
}

type Token =
  | { readonly tag: "Text"; readonly text: string }
  | { readonly tag: "Any"; readonly slashes: boolean }

const tokens = (pattern: string): ReadonlyArray<Token> =>
  pattern
    .split(/(\*+)/)
    .filter((part) => part !== "")
    .map((part) =>
      part.startsWith("*") ? { tag: "Any", slashes: part.length > 1 } : { tag: "Text", text: part }
    )

/** Tracks the offsets in `text` at which a match of the tokens so far can end. */
const matches = (pattern: ReadonlyArray<Token>, text: string): boolean => {
  let ends = new Set([0])
  for (const token of pattern) {
    const next = new Set<number>()
    for (const end of ends) {
      if (token.tag === "Text") {
        if (text.startsWith(token.text, end)) next.add(end + token.text.length)
        continue
      }
      for (let at = end; at <= text.length && !next.has(at); at++) {
        next.add(at)
        if (!token.slashes && text[at] === "/") break
      }
    }
    ends = next
  }
  return ends.has(text.length)
}
