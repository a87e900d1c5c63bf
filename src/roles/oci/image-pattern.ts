// Decides which images a rule of the configuration means: "repository" or "repository:tag", in which "*" stands for any
// text without a slash and "**" for any text. Without a tag every tag is meant.
//
// Invariant: matching takes time in proportion to the product of both lengths, whatever the pattern (no regular
// expression is made of what somebody wrote).

/** Characters of a pattern: those of the longest repository name and tag, and some. */
export const maxPatternLength = 400

/** Whether the text could match any image. */
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

/** The places in `text` that the tokens so far can end at, token by token. */
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
