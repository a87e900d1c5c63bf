// Runs the test files of a sandbox, in a process that its parent may kill: Vitest, loaded once, with the settings of
// the project that npm run check runs. Every run has a new worker process, so that no mutant outlives its run. It
// communicates with its parent by messages: the run to make, each test file as it begins and ends, and the end of the
// run.

import { relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import {
  BaseSequencer,
  createVitest,
  type TestModule,
  type TestSpecification,
  type Vitest
} from "vitest/node"

export interface RunRequest {
  /** Relative to the sandbox, in the order in which they run. */
  readonly tests: ReadonlyArray<string>
  /** Files that have changed since the previous run. */
  readonly changed: ReadonlyArray<string>
  /** Whether a failed test file ends the run. */
  readonly bail: boolean
}

export type HostMessage =
  | { readonly tag: "Ready"; readonly tests: ReadonlyArray<string> }
  | { readonly tag: "Started"; readonly test: string }
  | {
      readonly tag: "Ended"
      readonly test: string
      readonly millis: number
      readonly failure: string | undefined
    }
  | { readonly tag: "Done"; readonly errors: ReadonlyArray<string> }

const [, , root = ".", reach] = process.argv

const tell = (message: HostMessage): void => {
  process.send?.(message)
}

/** Keeps the order of the parent. */
class GivenOrder extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    return specifications
  }
}

const failureOf = (module: TestModule): string | undefined => {
  if (module.state() !== "failed") return undefined
  for (const test of module.children.allTests("failed")) {
    return `${test.fullName}: ${test.result().errors?.[0]?.message.split("\n")[0] ?? "failed"}`
  }
  return module.errors()[0]?.message.split("\n")[0] ?? "failed"
}

let bail = true

const reporter = (vitest: () => Vitest) => ({
  onTestModuleStart: (module: TestModule) => tell({ tag: "Started", test: relative(root, module.moduleId) }),
  onTestModuleEnd: (module: TestModule) => {
    if (module.state() === "skipped") return
    const { collectDuration, duration } = module.diagnostic()
    const failure = failureOf(module)
    const test = relative(root, module.moduleId)
    tell({ tag: "Ended", test, millis: collectDuration + duration, failure })
    // Vitest's own bail ends a file at its first failed test, but a file that does not load has none.
    if (failure !== undefined && bail) void vitest().cancelCurrentRun("test-failure")
  }
})

interface Settings {
  readonly test: {
    readonly projects: ReadonlyArray<{ readonly test: { readonly name: string } }>
    readonly maxConcurrency: number
  }
}

const settings = (
  (await import(pathToFileURL(resolve(root, "vitest.config.ts")).href)) as { default: Settings }
).default.test
const project = settings.projects.find(({ test }) => test.name === "here")
if (project === undefined) throw new Error('vitest.config.ts has no project "here"')

const vitest: Vitest = await createVitest("test", {
  ...project.test,
  maxConcurrency: settings.maxConcurrency,
  root,
  config: false,
  watch: false,
  maxWorkers: 1,
  silent: true,
  // The cache would be in node_modules, which the working copy shares.
  cache: false,
  // A mutant that hoards memory ends early.
  execArgv: ["--max-old-space-size=2048"],
  sequence: { sequencer: GivenOrder },
  setupFiles: reach === undefined ? [] : [reach],
  reporters: [reporter(() => vitest)]
})
const specifications = new Map(
  (await vitest.globTestSpecifications()).map((one) => [relative(root, one.moduleId), one])
)

process.on("message", async (request: RunRequest) => {
  for (const path of request.changed) vitest.invalidateFile(resolve(root, path))
  bail = request.bail
  for (const { config } of vitest.projects) config.bail = bail ? 1 : 0
  const wanted = request.tests.flatMap((test) => specifications.get(test) ?? [])
  const { unhandledErrors } = await vitest.runTestSpecifications(wanted)
  tell({ tag: "Done", errors: unhandledErrors.map((error) => String((error as Error)?.message ?? error)) })
})
process.on("disconnect", () => process.exit())
tell({ tag: "Ready", tests: [...specifications.keys()].sort() })
