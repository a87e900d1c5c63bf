// Decides how a question to the cluster of origins can fail. "No such blob" means that everyone who answered says so;
// who could not be asked is told with it, since only the caller knows whether that matters: a push may go on, a pull
// should be tried again.

import { Data } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"

export class BlobUnknown extends Data.TaggedError("BlobUnknown")<{
  readonly digest: Digest
  /** Members that did not answer, a line each; empty when the answer is certain. */
  readonly unreachable: ReadonlyArray<string>
  readonly message: string
}> {}

export const blobUnknown = (digest: Digest, unreachable: ReadonlyArray<string> = []): BlobUnknown =>
  new BlobUnknown({
    digest,
    unreachable,
    message:
      unreachable.length === 0
        ? `no origin has ${digest}`
        : `no origin that answered has ${digest}; not answered: ${unreachable.join("; ")}`
  })

/** No origin answered. `message` names each and why. */
export class OriginUnavailable extends Data.TaggedError("OriginUnavailable")<{ readonly message: string }> {}

/** An origin is fetching the blob from an upstream registry: it is worth asking again. */
export class BlobOnItsWay extends Data.TaggedError("BlobOnItsWay")<{
  readonly digest: Digest
  readonly message: string
}> {}

/** The origin hashed what it was sent and it is not what its digest says. */
export class BlobRejected extends Data.TaggedError("BlobRejected")<{
  readonly digest: Digest
  readonly message: string
}> {}

export type OriginReadError = BlobUnknown | OriginUnavailable
