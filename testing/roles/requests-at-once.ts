// An HTTP app that never answers, and counts the requests that wait for it at the same time, for tests of limits on
// parallel questions.

import { Effect } from "effect"
import type { HttpApp } from "../../src/roles/http/http-app.ts"

interface SilentApp {
  readonly app: HttpApp
  /** The most requests that waited at one time so far. */
  readonly most: () => number
}

export const silentApp = (): SilentApp => {
  let now = 0
  let most = 0
  return {
    app: Effect.acquireUseRelease(
      Effect.sync(() => {
        most = Math.max(most, ++now)
      }),
      () => Effect.never,
      () => Effect.sync(() => void now--)
    ),
    most: () => most
  }
}
