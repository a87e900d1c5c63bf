// Assertion of an invariant. A broken invariant is a defect of this program and stops it; expected failures are tagged
// values elsewhere.

export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation"
}

/** Throws InvariantViolation unless `condition` holds. Never use it on input from a peer or a person. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}
