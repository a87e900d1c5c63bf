// Holds to the conformance suite a herd with an agent, as processes on loopback: what clients get from
// sockets and files. Whatever is readable is read at the proxy and at the agent.

import { onLoopback } from "./registry-under-test.ts"
import { holdsTheSpecification } from "./suite.ts"

holdsTheSpecification("on loopback", onLoopback)
