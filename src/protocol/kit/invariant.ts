// Decides what a broken invariant does: it stops the program. Expected failures are tagged values elsewhere; this is
// for what only a defect can cause.

export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation"
}

/** Throws InvariantViolation unless `condition` holds. Never use it on what a peer or a person sent. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}
