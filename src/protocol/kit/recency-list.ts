// Decides the order in which things were last heard of: a doubly linked list through the things themselves, oldest
// first. Adding, removing and looking at the oldest are a few assignments each, whatever the length. Invariant: a
// thing is in at most one list. It refuses to know what the things are and how old is too old.

/** What a thing must carry to be in a list. Only the list writes it. */
export interface RecencyLinks<Thing> {
  older: Thing | undefined
  newer: Thing | undefined
}

export class RecencyList<Thing extends RecencyLinks<Thing>> {
  #oldest: Thing | undefined
  #newest: Thing | undefined

  get oldest(): Thing | undefined {
    return this.#oldest
  }

  /** Adds a thing that is in no list, as the newest. */
  add(thing: Thing): void {
    thing.older = this.#newest
    thing.newer = undefined
    if (this.#newest === undefined) this.#oldest = thing
    else this.#newest.newer = thing
    this.#newest = thing
  }

  /** Removes a thing that is in this list. */
  remove(thing: Thing): void {
    if (thing.older === undefined) this.#oldest = thing.newer
    else thing.older.newer = thing.newer
    if (thing.newer === undefined) this.#newest = thing.older
    else thing.newer.older = thing.older
    thing.older = undefined
    thing.newer = undefined
  }
}
