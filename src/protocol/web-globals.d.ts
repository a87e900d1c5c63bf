// The pure web globals that protocol and roles may use: they read no clock, no entropy and no socket, and
// every runtime has them. Anything else that is global (timers, fetch, process, crypto) stays a compile error.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean })
  decode(bytes?: Uint8Array | ArrayBuffer): string
}
