// Decides the order in which things were last heard of: a doubly linked list through the things themselves, oldest
// first. Adding, removing and looking at the oldest are a few assignments each, whatever the length. Invariant: a
// thing is in at most one list. It refuses to know what the things are and how old is too old.

/** What a thing must carry to be in a list. Only the list writes it. */
export interface RecencyLinks<A> {
  older: A | undefined
  newer: A | undefined
}

export class RecencyList<A extends RecencyLinks<A>> {
  #oldest: A | undefined
  #newest: A | undefined

  get oldest(): A | undefined {
    return this.#oldest
  }

  /** Adds a thing that is in no list, as the newest. */
  add(element: A): void {
    element.older = this.#newest
    element.newer = undefined
    if (this.#newest === undefined) this.#oldest = element
    else this.#newest.newer = element
    this.#newest = element
  }

  /** Removes a thing that is in this list. */
  remove(element: A): void {
    if (element.older === undefined) this.#oldest = element.newer
    else element.older.newer = element.newer
    if (element.newer === undefined) this.#newest = element.older
    else element.newer.older = element.older
    element.older = undefined
    element.newer = undefined
  }
}
