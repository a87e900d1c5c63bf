// Recognises a client that keeps an exchange waiting: a reader or a sender that stops or crawls. Only the slowness of
// the client counts: the count starts again while the server wants no bytes or has none to send.
//
//   the exchange waited at every look of the window, and fewer than minBytes moved in it -> cut
//
// It does not know sockets and clocks; its caller tells it what it sees.

export interface ClientLook {
  /** Bytes in both directions since the connection began. */
  readonly moved: number
  /** Whether the exchange would continue if the client sent or read more. */
  readonly waiting: boolean
}

export class ClientPatience {
  readonly #looks: number
  readonly #minBytes: number
  /** `moved` at each look of the window, the oldest first; empty when nothing waited for the client. */
  #window: Array<number> = []

  /** @param looks Looks of the window after the first. */
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
