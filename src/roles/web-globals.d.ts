// The pure web globals that roles may use, the same as protocol's: a project reference does not carry them over. They
// read no clock, no entropy and no socket; anything else that is global stays a compile error.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean })
  decode(bytes?: Uint8Array | ArrayBuffer): string
}
