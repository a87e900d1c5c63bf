// The conformance suite for an agent that forwards pushes to a herd, all of them processes on loopback: every request
// goes to the agent, as from hosts that know no other registry.

import { throughAgent } from "./registry-under-test.ts"
import { holdsTheSpecification } from "./suite.ts"

holdsTheSpecification("through an agent", throughAgent)
