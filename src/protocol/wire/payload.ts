// Bytes of a piece as the protocol sees them, and the hashes that prove them: their length, and nothing else. On
// sockets both are Uint8Arrays; in the simulator they may be symbols (blob, range, corrupt or not). Only the store of a
// world looks inside. Invariant: neither changes after it was made, so they are shared without a copy.

/** The bytes of a piece, opaque to protocol and roles. */
export interface Payload {
  readonly byteLength: number
}

/** The uncles of a piece in the hash tree, the lowest first, 32 bytes each; or a signature, as long as two of them. */
export interface HashProof {
  readonly byteLength: number
  readonly subarray: (start: number, end: number) => HashProof
}
