// The groups of tests. "here" is what `npm run check` runs, in less than two minutes. "processes" holds the tests of
// the `shoal` command as a person starts it, which would make that half as long again. "clients" holds those with real
// container clients, one file at a time, after the others. `npm test` runs all three. "long" holds soaks and runs on
// request.

import { defineConfig } from "vitest/config"

const sources = ["src/**/*.test.ts", "experiments/**/*.test.ts", "test/**/*.test.ts", "testing/**/*.test.ts"]
const processes = "test/processes/**/*.test.ts"
const clients = "test/clients/**/*.test.ts"
const long = "**/*.long.test.ts"

const together = {
  // Files share processes, because loading the sources anew for each takes longer than most of them. A file must leave
  // its process as it found it; what a simulation forbids is allowed again when it ends.
  isolate: false,
  // Ends what hangs; a busy machine must not fail a test that goes on.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  sequence: { groupOrder: 0 }
}

export default defineConfig({
  test: {
    // What roles log is shown for tests that fail. A test that cannot run here says so on stderr, which is always
    // shown.
    silent: "passed-only",
    // A line for each file, and for tests that a person waits for.
    slowTestThreshold: 5000,
    // All cores: the default leaves one idle, half of a small machine.
    maxWorkers: "100%",
    // Most tests at once of a file that says that its tests may run at once.
    maxConcurrency: 4,
    projects: [
      { test: { name: "here", include: sources, exclude: [processes, clients, long], ...together } },
      { test: { name: "processes", include: [processes], exclude: [long], ...together } },
      {
        test: {
          name: "clients",
          include: [clients],
          exclude: [long],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 }
        }
      },
      {
        test: {
          name: "long",
          include: [long],
          testTimeout: 1_800_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
