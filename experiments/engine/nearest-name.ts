// Suggestions for mistyped names: the known name at the smallest edit distance (insertions, deletions, substitutions),
// if that is small enough.

/** By rows: `above` is the cell over the present one, `diagonal` the one left of that, `left` the one before. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [line, letter] of [...from].entries()) {
    let diagonal = line
    let left = line + 1
    row = row.map((above, column) => {
      if (column > 0) left = Math.min(diagonal + (letter === to[column - 1] ? 0 : 1), above + 1, left + 1)
      diagonal = above
      return left
    })
  }
  return row.at(-1) ?? 0
}

/**
 * The nearest of `known` to `name`, or undefined when its distance is over half of its length. The first wins a tie.
 */
export const nearestName = (name: string, known: ReadonlyArray<string>): string | undefined => {
  let nearest: string | undefined
  let smallest = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < smallest && distance <= candidate.length / 2) {
      nearest = candidate
      smallest = distance
    }
  }
  return nearest
}

/** `did you mean x? ` when a name is near, then all choices. */
export const namingTheChoices = (name: string, known: ReadonlyArray<string>): string => {
  const nearest = nearestName(name, known)
  const choices = known.length === 0 ? "there are none" : `the choices are ${known.join(", ")}`
  return nearest === undefined ? choices : `did you mean ${nearest}? ${choices}`
}
