// Assertions of invariants. A broken invariant stops the program, because only a defect can cause it. Expected failures
// are tagged values elsewhere.

export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation"
}

/** Throws InvariantViolation unless `condition` holds. It must not judge what a peer or a person sent. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}
