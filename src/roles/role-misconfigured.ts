// Decides how a role refuses a configuration whose parts are each well formed but do not fit together.

import { Data } from "effect"

/** `message` names the keys and says what to change. */
export class RoleMisconfigured extends Data.TaggedError("RoleMisconfigured")<{ readonly message: string }> {}
