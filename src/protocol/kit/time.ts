// Time of the protocol: integer microseconds since an origin that the world chooses, such as the start of a simulation
// or of a process. Machines compare and add instants; they never read a clock.

/** An instant or a duration in integer microseconds. */
export type Micros = number

export const milliseconds = (count: number): Micros => Math.round(count * 1_000)
export const seconds = (count: number): Micros => Math.round(count * 1_000_000)
