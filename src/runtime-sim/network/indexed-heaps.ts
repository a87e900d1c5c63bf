// 4-ary heaps of small integers by a key that can change. An item is in at most one of the heaps, so that it is found
// by its number alone; its key and its place lie together, and those of all items in one array.
//
// Invariant: `first` has the least key of its heap. Items of equal keys come in an order that depends on calls only.

import { IntegerLists } from "./integer-lists.ts"

// An item is its key, and its place in the heap, which is below 0 when it is in none.
const rowLength = 2
const placeAt = 1

export class IndexedHeaps {
  readonly #heaps = new IntegerLists()
  #rows = new Float64Array(64 * rowLength).fill(-1)

  /** Adds an empty heap and returns its number: 0, 1, ... */
  add(): number {
    return this.#heaps.add()
  }

  /** Makes room for this item. */
  include(item: number): void {
    while (item * rowLength >= this.#rows.length) {
      const rows = new Float64Array(this.#rows.length * 2).fill(-1)
      rows.set(this.#rows)
      this.#rows = rows
    }
  }

  size(heap: number): number {
    return this.#heaps.length(heap)
  }

  /** The item of least key, or -1. */
  first(heap: number): number {
    const heaps = this.#heaps
    return heaps.length(heap) === 0 ? -1 : heaps.items[heaps.start(heap)]!
  }

  has(item: number): boolean {
    return this.#rows[item * rowLength + placeAt]! >= 0
  }

  /** The key of an item, also of one that was taken out. */
  key(item: number): number {
    return this.#rows[item * rowLength]!
  }

  /** Adds an item to a heap, or moves it there to its new key. */
  set(heap: number, item: number, key: number): void {
    const rows = this.#rows
    const row = item * rowLength
    const place = rows[row + placeAt]!
    const before = rows[row]!
    rows[row] = key
    if (place < 0) this.#rise(heap, this.#heaps.push(heap, item), item)
    else if (key < before) this.#rise(heap, place, item)
    else if (key > before) this.#sink(heap, place, item)
  }

  /** Takes an item out of this heap, if it is in. */
  remove(heap: number, item: number): void {
    const rows = this.#rows
    const row = item * rowLength
    const place = rows[row + placeAt]!
    if (place < 0) return
    rows[row + placeAt] = -1
    const last = this.#heaps.pop(heap)
    if (last === item) return
    if (rows[last * rowLength]! < rows[row]!) this.#rise(heap, place, last)
    else this.#sink(heap, place, last)
  }

  #rise(heap: number, from: number, item: number): void {
    const rows = this.#rows
    const { items } = this.#heaps
    const start = this.#heaps.start(heap)
    const key = rows[item * rowLength]!
    let place = from
    while (place > 0) {
      const parentPlace = (place - 1) >> 2
      const parent = items[start + parentPlace]!
      if (rows[parent * rowLength]! <= key) break
      items[start + place] = parent
      rows[parent * rowLength + placeAt] = place
      place = parentPlace
    }
    items[start + place] = item
    rows[item * rowLength + placeAt] = place
  }

  #sink(heap: number, from: number, item: number): void {
    const rows = this.#rows
    const { items } = this.#heaps
    const start = this.#heaps.start(heap)
    const size = this.#heaps.length(heap)
    const key = rows[item * rowLength]!
    let place = from
    for (;;) {
      const firstChild = 4 * place + 1
      if (firstChild >= size) break
      let least = firstChild
      const end = Math.min(firstChild + 4, size)
      for (let child = firstChild + 1; child < end; child++) {
        if (rows[items[start + child]! * rowLength]! < rows[items[start + least]! * rowLength]!) least = child
      }
      const other = items[start + least]!
      if (rows[other * rowLength]! >= key) break
      items[start + place] = other
      rows[other * rowLength + placeAt] = place
      place = least
    }
    items[start + place] = item
    rows[item * rowLength + placeAt] = place
  }
}
