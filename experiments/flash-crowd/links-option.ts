// The option `links` of experiments: how flows share the links of a flash crowd. Max-min shares are the default,
// because TCP shares like them (docs/laboratory.md compares both with the kernel); queues are for comparison.

import { option } from "../engine/experiment.ts"
import { choiceText } from "../engine/option-text.ts"

export const linksOption = option(
  choiceText(["fair", "queue"]),
  "fair",
  "How links are shared: fair is as TCP does it, queue is one frame after the other."
)
