// The failures of a request to the cluster of origins. "No such blob" means that every origin that answered says so.
// The error also lists the origins that did not answer, because only the caller knows whether they matter: a push may
// continue, a pull should be retried.

import { Data } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"

export class BlobUnknown extends Data.TaggedError("BlobUnknown")<{
  readonly digest: Digest
  /** Members that did not answer, one line each; empty when the answer is certain. */
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

/** An origin is fetching the blob from an upstream registry, so the request should be repeated. */
export class BlobOnItsWay extends Data.TaggedError("BlobOnItsWay")<{
  readonly digest: Digest
  readonly message: string
}> {}

/** The received bytes do not match the digest, says the origin that hashed them. */
export class BlobRejected extends Data.TaggedError("BlobRejected")<{
  readonly digest: Digest
  readonly message: string
}> {}

export type OriginReadError = BlobUnknown | OriginUnavailable
