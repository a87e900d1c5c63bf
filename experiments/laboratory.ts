// The laboratory of the command line: all experiments of the registry, with their reports under the working directory.

import { fileURLToPath } from "node:url"
import { fingerprintsOf, watchSources } from "./engine/fingerprint.ts"
import type { Laboratory } from "./engine/laboratory.ts"
import { experiments } from "./registry.ts"

const module = new URL("./registry.ts", import.meta.url)

export const laboratory: Laboratory = {
  registry: experiments,
  module: module.href,
  reports: "reports",
  fingerprints: (name) => fingerprintsOf(name),
  watchSources: watchSources(fileURLToPath(module))
}
