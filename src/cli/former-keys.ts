// Reads keys under the names that they had before: the value moves to the present name, and its old path is remembered,
// so that a problem with it is told where it was written. Giving a setting under two names is a problem by itself.

import type { Setting } from "./settings.ts"

type Keys = Readonly<Record<string, unknown>>

export interface PresentKeys {
  readonly keys: Keys
  /** Where the value was written that has this path now. */
  readonly writtenAt: (path: ReadonlyArray<string>) => ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

const isKeys = (value: unknown): value is Keys =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const withPresentNames = (keys: Keys, settings: ReadonlyArray<Setting>): PresentKeys => {
  const problems: Array<string> = []
  /** By present path, the old name of its last key. */
  const oldNames = new Map<string, string>()
  /** By the path of old keys, "[]" for elements, what they are now. */
  const renamed = new Map(
    settings.flatMap(({ path, former }) =>
      former.map(({ key, means = (value: unknown) => value }) => {
        const name = path.at(-1)!
        return [[...path.slice(0, -1), key].join("."), { name, means }] as const
      })
    )
  )
  const present = (value: unknown, path: ReadonlyArray<string>, pattern: ReadonlyArray<string>): unknown => {
    if (Array.isArray(value)) {
      return value.map((element, index) => present(element, [...path, String(index)], [...pattern, "[]"]))
    }
    if (!isKeys(value)) return value
    const result: Record<string, unknown> = {}
    const from = new Map<string, string>()
    for (const [key, inner] of Object.entries(value)) {
      const now = renamed.get([...pattern, key].join("."))
      const name = now?.name ?? key
      const other = from.get(name)
      if (other !== undefined) {
        const where = path.length === 0 ? "" : `${path.join(".")}: `
        problems.push(`${where}${other} and ${key} are one setting: give ${name} alone`)
      }
      from.set(name, key)
      if (now === undefined) result[name] = present(inner, [...path, name], [...pattern, name])
      else {
        oldNames.set([...path, name].join("."), key)
        result[name] = now.means(inner)
      }
    }
    return result
  }
  return {
    keys: present(keys, [], []) as Keys,
    writtenAt: (path) => path.map((key, index) => oldNames.get(path.slice(0, index + 1).join(".")) ?? key),
    problems
  }
}
