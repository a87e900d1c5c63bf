// Limits of how roles take requests over HTTP. Each line states the unit and the trade-off.

export const httpLimits = {
  /** Clients whose rate is remembered, about 200 bytes each. The client that was silent longest is forgotten first. */
  maxClientsRemembered: 10_000,
  /** Questions that one request asks of other roles at once (blobs of a manifest, members of a cluster). */
  maxParallelAsks: 8,
  /** Lines that the report of a collection lists: about 1 MB of text. */
  maxCollectListed: 10_000
}
