// Decides how V8 paces its garbage collector while pieces stream through buffers outside its heap. By default each
// 64 MiB of new buffers starts a full collection, which cost half of the processor time of a receiving host (measured
// on Node 24.21, 4 MiB pieces over loopback: 7.0 s for 4.3 GB, 3.7 s with this; the sender 4.4 and 3.1 s). Counted
// within the heap's own limits instead, collections follow the growth of what is alive; memory stays bounded by them.

import { setFlagsFromString } from "node:v8"

/** Process-wide; call it before the first host starts. A second call changes nothing. */
export const countExternalMemoryInHeapLimit = (): void => {
  setFlagsFromString("--external-memory-accounted-in-global-limit")
}
