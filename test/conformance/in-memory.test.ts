// The conformance suite for a herd in memory: the answers of the roles, without a socket, a file or a process. It
// does not know how bytes travel.

import { inMemory } from "./registry-under-test.ts"
import { holdsTheSpecification } from "./suite.ts"

holdsTheSpecification("in memory", inMemory)
