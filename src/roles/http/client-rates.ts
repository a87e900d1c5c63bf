// The rate limiter of requests: one token bucket per client, in a table of bounded size. The client that was silent
// longest makes room for a new one and finds a full bucket when it returns. A client with very many addresses
// therefore escapes this limit; the listener's limit on connections applies to it.
//
// Invariants: at most maxClients buckets; a refused request costs its client nothing. The file does not know what a
// client is (client-address.ts) and what is answered (client-limits.ts).

import { invariant } from "../../protocol/kit/invariant.ts"
import { type RecencyLinks, RecencyList } from "../../protocol/kit/recency-list.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"

export interface RequestRate {
  /** Requests, an integer >= 1. */
  readonly perSecond: number
  /** Requests that an idle client may send at once, an integer >= 1. */
  readonly burst: number
  readonly maxClients: number
}

interface Client extends RecencyLinks<Client> {
  readonly key: string
  readonly bucket: TokenBucket
}

export class ClientRates {
  readonly #rate: RequestRate
  readonly #clients = new Map<string, Client>()
  readonly #recency = new RecencyList<Client>()

  constructor(rate: RequestRate) {
    invariant(rate.burst >= 1 && rate.maxClients >= 1, "client rates: burst and maxClients >= 1")
    this.#rate = rate
  }

  /** Number of clients in the table. */
  get size(): number {
    return this.#clients.size
  }

  /**
   * Counts a request of the client at `now`. Returns 0, or the time that the client must wait before it is let
   * through.
   */
  admit(key: string, now: Micros): Micros {
    const known = this.#clients.get(key)
    if (known !== undefined) this.#recency.remove(known)
    const client = known ?? this.#remember(key, now)
    this.#recency.add(client)
    return client.bucket.take(1, now)
  }

  #remember(key: string, now: Micros): Client {
    const oldest = this.#recency.oldest
    if (this.#clients.size >= this.#rate.maxClients && oldest !== undefined) {
      this.#recency.remove(oldest)
      this.#clients.delete(oldest.key)
    }
    const { perSecond, burst } = this.#rate
    const bucket = new TokenBucket({ bytesPerSecond: perSecond, burstBytes: burst }, now)
    const client: Client = { key, bucket, older: undefined, newer: undefined }
    this.#clients.set(key, client)
    return client
  }
}
