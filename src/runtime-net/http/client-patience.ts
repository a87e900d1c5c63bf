// Decides when a client that keeps an exchange waiting is cut: a reader that stops or crawls, a sender that stops or
// crawls. Only the client's own slowness counts: while the server does not want bytes, or has none to send, it starts
// anew.
//
//   waited for at every look of the window, and fewer than minBytes moved in it -> cut
//
// It refuses to know sockets and clocks: whoever looks tells it what it sees.

export interface ClientLook {
  /** Bytes that went to the client and came from it, since the connection began. */
  readonly moved: number
  /** Whether the exchange would go on if the client sent or read more. */
  readonly waiting: boolean
}

export class ClientPatience {
  readonly #looks: number
  readonly #minBytes: number
  /** `moved` at the looks of the window, the oldest first; empty when the client was not waited for. */
  #window: Array<number> = []

  /** The window is `looks` looks after the first. */
  constructor(looks: number, minBytes: number) {
    this.#looks = looks
    this.#minBytes = minBytes
  }

  /** Whether the client must be cut. */
  look({ moved, waiting }: ClientLook): boolean {
    if (!waiting) {
      this.#window = []
      return false
    }
    this.#window.push(moved)
    if (this.#window.length <= this.#looks) return false
    return moved - this.#window.shift()! < this.#minBytes
  }
}
