// Map with a maximum number of entries: the entry that was set longest ago makes room for a new one.
//
// Invariants: at most `limit` entries; iteration goes from the oldest entry to the newest; setting a key makes its
// entry the newest, also when the key is there already. It does not know how long an entry is valid.

export class BoundedMap<K, V> extends Map<K, V> {
  readonly limit: number

  constructor(limit: number) {
    super()
    this.limit = limit
  }

  override set(key: K, value: V): this {
    this.delete(key)
    super.set(key, value)
    if (this.size > this.limit) this.delete(this.oldest as K)
    return this
  }

  /** The value of `key`, whose entry becomes the newest: the map then forgets what was used least recently. */
  use(key: K): V | undefined {
    const value = this.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  /** The key whose entry makes room next; undefined when the map is empty. */
  get oldest(): K | undefined {
    return this.keys().next().value
  }
}
