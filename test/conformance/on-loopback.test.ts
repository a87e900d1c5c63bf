// The conformance suite for a herd with an agent, as processes on loopback: what clients get from sockets and files.
// Every read goes to the proxy and to the agent.

import { onLoopback } from "./registry-under-test.ts"
import { holdsTheSpecification } from "./suite.ts"

holdsTheSpecification("on loopback", onLoopback)
