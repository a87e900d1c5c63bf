// The bytes of a piece, as far as the protocol knows them: their length. On sockets a payload is a Uint8Array; in the
// simulator it may be a symbol (blob, range, corrupted or not). Only the store of a world looks inside. Invariant: a
// payload never changes after it was made, so it may be shared without a copy.

/** The bytes of a piece, opaque to protocol and roles. `byteLength` is in bytes. */
export interface Payload {
  readonly byteLength: number
}
