// Bytes of a piece as the protocol sees them: their length, and nothing else. On sockets a payload is a Uint8Array; in
// the simulator it may be a symbol (blob, range, corrupt or not). Only the store of a world looks inside. Invariant: a
// payload never changes after it was made, so it is shared without a copy.

/** The bytes of a piece, opaque to protocol and roles. */
export interface Payload {
  readonly byteLength: number
}
