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

  get(key: string): A | undefined {
    return this.made?.use(key)
  }

  /** Like get, without counting as a use. */
  peek(key: string): A | undefined {
    return this.made?.get(key)
  }

  set(key: string, value: A): void {
    this.made ??= new BoundedMap(this.most)
    this.made.set(key, value)
  }

  delete(key: string): void {
    this.made?.delete(key)
  }

  /** The keys that setting `key` would drop. */
  displacedBy(key: string): ReadonlyArray<string> {
    const oldest = this.made?.oldest
    return oldest === undefined || this.peek(key) !== undefined || this.size < this.most ? [] : [oldest]
  }

  get size(): number {
    return this.made?.size ?? 0
  }
}
