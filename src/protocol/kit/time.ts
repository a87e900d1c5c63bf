// Decides how the protocol counts time: integer microseconds since an origin that the world chooses (a simulation's
// start, a process's start). Machines compare and add instants; they never ask what time it is.

/** An instant or a duration in integer microseconds. */
export type Micros = number

export const milliseconds = (count: number): Micros => Math.round(count * 1_000)
export const seconds = (count: number): Micros => Math.round(count * 1_000_000)
