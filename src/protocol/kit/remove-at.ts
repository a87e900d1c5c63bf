// Removal of one item from a short array that changes with every message. `splice` would make an array of what it
// removes, and give back the memory of an array that becomes empty, which the next item has to get again.

/** Removes the item at `index`, which is inside the array, and keeps the order of the others. */
export const removeAt = <Item>(items: Item[], index: number): Item => {
  const removed = items[index]!
  const last = items.length - 1
  for (let at = index; at < last; at++) items[at] = items[at + 1]!
  items.pop()
  return removed
}
