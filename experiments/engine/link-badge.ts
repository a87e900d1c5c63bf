// The model of links under which a result was measured, in a few words for its pages. Pure.

import type { Result } from "../report/result.ts"
import type { Experiment } from "./experiment.ts"

/** How the simulator shared links before experiments had the option. */
const formerModel = "queue"

/** "links: fair"; undefined when the experiment measures without links. */
export const linkBadge = (
  { links, options }: Pick<Experiment, "links" | "options">,
  result: Pick<Result, "options">
): string | undefined => {
  const said = result.options.links?.split(",") ?? links
  if (said !== undefined) return `links: ${said.join(" and ")}`
  const hasOption = options.some(({ name }) => name === "links")
  return hasOption ? `links: ${formerModel} (made before the option)` : undefined
}
