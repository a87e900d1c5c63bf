// Decides which known name a mistyped one most likely meant: the one at the smallest edit distance (insertions,
// deletions, substitutions), if it is near enough to be worth saying.

const editDistance = (left: string, right: string): number => {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const substituted = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(substituted, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[right.length]!
}

/** The nearest of `known` to `name`, or undefined when none is within half of its length. The first wins a tie. */
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

/** `did you mean "x"? ` when something is near, then every choice. */
export const namingTheChoices = (name: string, known: ReadonlyArray<string>): string => {
  const nearest = nearestName(name, known)
  const choices = known.length === 0 ? "there are none" : `the choices are ${known.join(", ")}`
  return nearest === undefined ? choices : `did you mean ${nearest}? ${choices}`
}
