// Holds to the conformance suite a herd in memory: what the roles answer, without a socket, a file or a
// process. It refuses to know how bytes travel.

import { inMemory } from "./registry-under-test.ts"
import { holdsTheSpecification } from "./suite.ts"

holdsTheSpecification("in memory", inMemory)
