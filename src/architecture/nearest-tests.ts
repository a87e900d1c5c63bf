// Chooses the tests to run after a change: the nearest by imports first, as many as a budget of their recorded time
// allows. A file that is no source, such as package.json or a golden file, counts as imported by the sources that name
// it. A choice, not a proof: what is left out may fail, and `npm run check` without arguments runs everything.
// Does not know how files change or how tests are run.

import { importersOf, namesFile, type SourceFile } from "./source-files.ts"

export interface Choice {
  readonly chosen: ReadonlyArray<string>
  /** Tests that need a changed file, too, and did not fit. */
  readonly left: ReadonlyArray<string>
}

/** Whether `npm run check` runs the test; others are for `npm test` and `npm run test:long` (vitest.config.ts). */
export const isOfCheck = (path: string): boolean =>
  path.endsWith(".test.ts") && !path.endsWith(".long.test.ts") && !/^test\/(processes|clients)\//.test(path)

/** How many imports lie between a file and the nearest changed one, for every file that needs one of them. */
const distancesFrom = (
  changed: ReadonlyArray<string>,
  files: ReadonlyArray<SourceFile>
): ReadonlyMap<string, number> => {
  const importers = importersOf(files)
  const distances = new Map(changed.map((path) => [path, 0]))
  for (const path of changed.filter((path) => !/\.[jt]s$/.test(path))) {
    for (const source of files) {
      if (!distances.has(source.path) && namesFile(source, path)) distances.set(source.path, 1)
    }
  }
  // A map gives what was added while it is walked, in order: breadth first.
  for (const [path, distance] of distances) {
    for (const importer of importers.get(path) ?? []) {
      if (!distances.has(importer)) distances.set(importer, distance + 1)
    }
  }
  return distances
}

/**
 * Tests of `files` that need one of the `changed` paths. A changed test is always chosen; of the others, nearer and
 * then faster ones come first, each while the sum of `milliseconds` stays within the `budget`.
 */
export const nearestTests = (
  files: ReadonlyArray<SourceFile>,
  changed: ReadonlyArray<string>,
  milliseconds: (path: string) => number,
  budget: number
): Choice => {
  const tests = [...distancesFrom(changed, files)]
    .filter(([path]) => isOfCheck(path))
    .map(([path, distance]) => ({ path, distance, cost: milliseconds(path) }))
    .sort((a, b) => a.distance - b.distance || a.cost - b.cost || (a.path < b.path ? -1 : 1))
  const chosen: Array<string> = []
  const left: Array<string> = []
  let spent = 0
  for (const { path, distance, cost } of tests) {
    const fits = distance === 0 || spent + cost <= budget
    if (fits) spent += cost
    ;(fits ? chosen : left).push(path)
  }
  return { chosen, left }
}
