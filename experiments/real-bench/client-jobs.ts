// What a client process of the bench is asked to do, and what it answers. Both are plain JSON: the job is its argument,
// and the answer is the last line of its output.

/** Images of a configuration and a layer of 10 KiB, pushed by several clients at once for some seconds. */
export interface PushSmallJob {
  readonly kind: "push-small"
  readonly url: string
  readonly clients: number
  readonly seconds: number
}

export interface PushSmallDone {
  /** Milliseconds of each pushed image. */
  readonly latencies: ReadonlyArray<number>
  readonly seconds: number
}

/** One large blob (bulk-content.ts). */
export interface Bulk {
  readonly seed: string
  readonly length: number
  readonly digest: string
}

export interface PushLargeJob {
  readonly kind: "push-large"
  /** Base of the repository: URL/v2/NAME. Of Kraken's origin: URL. */
  readonly url: string
  readonly uploads: "oci" | "kraken"
  readonly bulk: Bulk
}

export interface PushLargeDone {
  readonly seconds: number
  /** Seconds between the last byte that the socket took and the answer that the blob is stored. */
  readonly silence: number
}

/** The blob is asked for at all URLs at once. */
export interface PullJob {
  readonly kind: "pull"
  readonly urls: ReadonlyArray<string>
  readonly bulk: Bulk
}

export interface PullDone {
  /** Until the last byte at each URL. */
  readonly seconds: ReadonlyArray<number>
}

/** What every client tells beside its answer: its own processor time for the job, in seconds. */
export interface ClientCost {
  readonly clientCpu: number
}

export type ClientJob = PushSmallJob | PushLargeJob | PullJob

/** The line that a client prints when it has loaded its program and waits for a line on its standard input. */
export const readyLine = "ready"
