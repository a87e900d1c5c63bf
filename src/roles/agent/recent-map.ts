// Map of bounded size that drops its least recently used entry when it is full. It knows nothing of what it holds.

import { BoundedMap } from "../../protocol/kit/bounded-map.ts"

/** The number of entries never exceeds `most`; `get` and `set` count as a use. */
export class RecentMap<A> {
  /** Made at the first entry, because most hosts of a simulation have none. */
  private made: BoundedMap<string, A> | undefined
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  private get entries(): BoundedMap<string, A> {
    this.made ??= new BoundedMap(this.most)
    return this.made
  }

  get(key: string): A | undefined {
    return this.made?.use(key)
  }

  /** Like get, without counting as a use. */
  peek(key: string): A | undefined {
    return this.made?.get(key)
  }

  set(key: string, value: A): void {
    this.entries.set(key, value)
  }

  delete(key: string): void {
    this.made?.delete(key)
  }

  /** The keys that setting `key` would drop. */
  displacedBy(key: string): ReadonlyArray<string> {
    const oldest = this.entries.oldest
    if (oldest === undefined || this.entries.has(key) || this.entries.size < this.most) return []
    return [oldest]
  }

  get size(): number {
    return this.made?.size ?? 0
  }
}
