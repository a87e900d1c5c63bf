// The time of the protocol: integer microseconds since an origin that the world chooses (the start of a simulation or
// of a process). Machines compare and add instants, and never ask for the current one.

/** An instant or a duration in integer microseconds. */
export type Micros = number

export const milliseconds = (count: number): Micros => Math.round(count * 1_000)
export const seconds = (count: number): Micros => Math.round(count * 1_000_000)
