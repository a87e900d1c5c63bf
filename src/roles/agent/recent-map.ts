// Map of bounded size that drops its least recently used entry when it is full. It knows nothing of what it holds.

/** The number of entries never exceeds `most`; `get` and `set` count as a use. */
export class RecentMap<A> {
  /** Made at the first entry, because most hosts of a simulation have none. */
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

  /** Like get, without counting as a use. */
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

  /** The keys that setting `key` would drop. */
  displacedBy(key: string): ReadonlyArray<string> {
    if (this.entries.has(key) || this.entries.size < this.most) return []
    return [this.entries.keys().next().value!]
  }

  get size(): number {
    return this.made?.size ?? 0
  }
}
