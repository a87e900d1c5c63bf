// The conformance suite that every registry must pass: all parts, on one registry that is started once, because a
// start costs more than the tests of a part. Each kind of registry has a test file, so that they run in parallel.
// Invariant: no part sees content of another; each names its own repositories and bytes.
//
// The parts follow the OCI distribution specification endpoint by endpoint ("end-1" to "end-14" are its names). A MAY
// of the specification that this registry implements is tested like a MUST.

import { afterAll, beforeAll, describe } from "vitest"
import { artifacts } from "./artifacts.ts"
import { pull } from "./end-01-to-03-pull.ts"
import { pushBlobs } from "./end-04-to-06-push-blobs.ts"
import { pushManifests } from "./end-07-push-manifests.ts"
import { discovery } from "./end-08-12-discovery.ts"
import { management } from "./end-09-10-management.ts"
import { uploads } from "./end-11-13-14-uploads.ts"
import { type Part, patience, type RegistryUnderTest } from "./registry-under-test.ts"

const parts: Readonly<Record<string, Part>> = {
  artifacts,
  pull,
  "push of blobs": pushBlobs,
  "push of manifests": pushManifests,
  discovery,
  management,
  uploads
}

/** Declares every part. They share one registry. */
export const holdsTheSpecification = (name: string, start: () => Promise<RegistryUnderTest>): void => {
  describe(name, { timeout: patience }, () => {
    let running: RegistryUnderTest
    beforeAll(async () => {
      running = await start()
    }, patience)
    afterAll(() => running?.stop(), patience)
    for (const [part, declare] of Object.entries(parts)) describe(part, () => declare(() => running))
  })
}
