// Vitest's setup file while the runner finds out which test files reach which mutants: says which test file runs, and
// that none does while modules load. The environment carries it, so that processes which a test starts know it too.

import { beforeAll, expect } from "vitest"
import { testsVariable, testVariable } from "./reach-environment.ts"

delete process.env[testVariable]

beforeAll(() => {
  const files: ReadonlyArray<string> = JSON.parse(process.env[testsVariable] ?? "[]")
  process.env[testVariable] = String(files.indexOf(expect.getState().testPath ?? ""))
})
