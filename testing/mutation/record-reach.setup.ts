// Vitest's setup file while the runner records the test files that reach each mutant. It publishes the number of the
// running test file, and none while modules load. The environment carries it, so that processes which a test starts
// know it too.

import { beforeAll, expect } from "vitest"
import { testsVariable, testVariable } from "./reach-environment.ts"

delete process.env[testVariable]

beforeAll(() => {
  const files: ReadonlyArray<string> = JSON.parse(process.env[testsVariable] ?? "[]")
  process.env[testVariable] = String(files.indexOf(expect.getState().testPath ?? ""))
})
