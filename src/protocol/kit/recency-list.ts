// A list of members in the order in which they were last heard of: doubly linked through the members themselves, oldest
// first. Adding, removing and reading the oldest cost a few assignments, whatever the length. Invariant: a member is in
// at most one list. It does not know what the members are and at what age they expire.

/** The links that a member carries. Only the list writes them. */
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

  /** Adds a member that is in no list, as the newest. */
  add(element: A): void {
    element.older = this.#newest
    element.newer = undefined
    if (this.#newest === undefined) this.#oldest = element
    else this.#newest.newer = element
    this.#newest = element
  }

  /** Removes a member of this list. */
  remove(element: A): void {
    if (element.older === undefined) this.#oldest = element.newer
    else element.older.newer = element.newer
    if (element.newer === undefined) this.#newest = element.older
    else element.newer.older = element.older
    element.older = undefined
    element.newer = undefined
  }
}
