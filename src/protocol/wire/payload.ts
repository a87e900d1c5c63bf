// Decides what the protocol knows of a piece's bytes: their length, and nothing else. On sockets a payload is a
// Uint8Array; in the simulator it may be a symbol (blob, range, corrupted or not). Only a world's store looks
// inside. Invariant: a payload is never changed after it was made, so it may be shared without a copy.

/** The bytes of a piece, opaque to protocol and roles. `byteLength` is in bytes. */
export interface Payload {
  readonly byteLength: number
}
