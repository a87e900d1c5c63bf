// The tokens of a TypeScript source, as far as the architecture rules need them: words, strings and signs with their
// lines, without comments, so that a rule never trips over a comment or a quoted example. Not a parser: it knows
// strings, templates, comments and regular expressions, and no other grammar.

export interface Token {
  readonly kind: "word" | "string" | "template" | "regex" | "sign"
  /** Words and signs as written; strings and templates without their quotes. */
  readonly text: string
  /** Counted from 1. */
  readonly line: number
}

const wordStart = /[A-Za-z_$#]/
const wordPart = /[A-Za-z0-9_$]/
const digit = /[0-9]/

/** After these a slash divides; anywhere else it opens a regular expression. */
const endsValue = (token: Token | undefined): boolean =>
  token !== undefined &&
  (token.kind === "string" ||
    token.kind === "template" ||
    token.kind === "regex" ||
    (token.kind === "word" && !/^(return|typeof|case|of|in|yield|await|=>)$/.test(token.text)) ||
    /^[)\]}]$/.test(token.text))

const endOfString = (text: string, start: number): number => {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === "\\") index++
    else if (text[index] === text[start]) return index
  }
  return text.length
}

const endOfRegex = (text: string, start: number): number => {
  let inClass = false
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === "\\") index++
    else if (text[index] === "[") inClass = true
    else if (text[index] === "]") inClass = false
    else if (text[index] === "/" && !inClass) return index
  }
  return text.length
}

/** The tokens of a source. What a template substitutes is read like any other code. */
export const tokensOf = (text: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  // One entry for each template that is open, counting the braces open in its present substitution.
  const templates: Array<number> = []
  let line = 1
  let index = 0
  const push = (kind: Token["kind"], content: string) => {
    tokens.push({ kind, text: content, line })
    for (const character of content) if (character === "\n") line++
  }
  const template = (start: number): number => {
    let end = start
    while (end < text.length && text[end] !== "`" && !(text[end] === "$" && text[end + 1] === "{")) {
      end += text[end] === "\\" ? 2 : 1
    }
    push("template", text.slice(start, end))
    if (text[end] === "$") {
      templates.push(0)
      return end + 2
    }
    return end + 1
  }
  while (index < text.length) {
    const character = text.charAt(index)
    const next = text[index + 1]
    if (character === "\n") line++
    if (/\s/.test(character)) index++
    else if (character === "/" && next === "/") {
      while (index < text.length && text[index] !== "\n") index++
    } else if (character === "/" && next === "*") {
      const end = text.indexOf("*/", index + 2)
      const stop = end === -1 ? text.length : end + 2
      for (; index < stop; index++) if (text[index] === "\n") line++
    } else if (character === '"' || character === "'") {
      const end = endOfString(text, index)
      push("string", text.slice(index + 1, end))
      index = end + 1
    } else if (character === "`") index = template(index + 1)
    else if (character === "/" && !endsValue(tokens.at(-1))) {
      const end = endOfRegex(text, index)
      push("regex", text.slice(index + 1, end))
      index = end + 1
      while (index < text.length && wordPart.test(text.charAt(index))) index++
    } else if (wordStart.test(character) || digit.test(character)) {
      let end = index + 1
      while (end < text.length && wordPart.test(text.charAt(end))) end++
      push("word", text.slice(index, end))
      index = end
    } else {
      const open = templates.at(-1)
      if (open !== undefined && character === "{") templates[templates.length - 1] = open + 1
      if (open !== undefined && character === "}") {
        if (open === 0) {
          templates.pop()
          index = template(index + 1)
          continue
        }
        templates[templates.length - 1] = open - 1
      }
      push("sign", character)
      index++
    }
  }
  return tokens
}
