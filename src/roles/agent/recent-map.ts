// Decides what is forgotten when a table in memory is full: the entry that was used least lately.

/** A map that forgets the least lately used entry beyond its size. */
export class RecentMap<A> {
  /** Made with the first entry: most hosts of a simulation remember nothing. */
  private made: Map<string, A> | undefined
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  private get entries(): Map<string, A> {
    this.made ??= new Map()
    return this.made
  }

  get(key: string): A | undefined {
    const found = this.peek(key)
    if (found !== undefined) {
      this.entries.delete(key)
      this.entries.set(key, found)
    }
    return found
  }

  /** Without counting as use. */
  peek(key: string): A | undefined {
    return this.made?.get(key)
  }

  set(key: string, value: A): void {
    this.entries.delete(key)
    this.entries.set(key, value)
    if (this.entries.size > this.most) this.entries.delete(this.entries.keys().next().value!)
  }

  delete(key: string): void {
    this.made?.delete(key)
  }

  /** Keys that go when `key` is set. */
  displacedBy(key: string): ReadonlyArray<string> {
    if (this.entries.has(key) || this.entries.size < this.most) return []
    return [this.entries.keys().next().value!]
  }

  get size(): number {
    return this.made?.size ?? 0
  }
}
