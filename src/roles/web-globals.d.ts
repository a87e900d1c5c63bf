// Types of the pure web globals that roles may use: those of the protocol, which a project reference does not carry
// over, and URL. They read no clock, no entropy and no socket; every other global is a compile error.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean })
  decode(bytes?: Uint8Array | ArrayBuffer): string
}

declare class URL {
  constructor(url: string, base?: URL | string)
  static canParse(url: string, base?: URL | string): boolean
  readonly protocol: string
  readonly username: string
  readonly password: string
  /** With the port, unless it is the default port of the protocol. */
  readonly host: string
  /** An IPv6 address in brackets. */
  readonly hostname: string
  readonly port: string
  readonly origin: string
  readonly href: string
  readonly pathname: string
  readonly search: string
  hash: string
  readonly searchParams: { append(name: string, value: string): void; set(name: string, value: string): void }
}

/** Frames that an Error records. Engines other than V8 do not read it. */
interface ErrorConstructor {
  stackTraceLimit: number
}
