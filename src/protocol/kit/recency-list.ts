// Doubly linked list of elements in the order of their last use, oldest first. The links are fields of the elements, so
// adding, removing and reading the oldest one take a few assignments each, whatever the length. Invariant: an element
// is in at most one list. The list does not know what its elements are or when one is too old.

/** Fields that an element has for its list. Only the list writes them. */
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

  /** Adds an element that is in no list, as the newest. */
  add(element: A): void {
    element.older = this.#newest
    element.newer = undefined
    if (this.#newest === undefined) this.#oldest = element
    else this.#newest.newer = element
    this.#newest = element
  }

  /** Removes an element that is in this list. */
  remove(element: A): void {
    if (element.older === undefined) this.#oldest = element.newer
    else element.older.newer = element.newer
    if (element.newer === undefined) this.#newest = element.older
    else element.newer.older = element.older
    element.older = undefined
    element.newer = undefined
  }
}
