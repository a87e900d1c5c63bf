// How tests inspect recorded traffic: the kinds of requests, the check that all were answered, and the blob upload of
// the clients that share one library; and the image that they are recorded with.

import { join } from "node:path"
import { expect } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { type Layer, type LayoutImage, makeLayout } from "../support/oci-layout.ts"
import type { Recorded } from "../support/recording-proxy.ts"
import type { ClientCluster } from "./client-cluster.ts"
import { skopeo } from "./container-clients.ts"

export interface RecordedImage {
  /** The OCI layout. Its only tag is "1". */
  readonly layout: string
  readonly image: LayoutImage<readonly [Layer, Layer]>
}

/** Makes an image of two layers and pushes it, unrecorded, as demo/app:1. */
export const pushRecordedImage = async (cluster: ClientCluster): Promise<RecordedImage> => {
  const layout = makeLayout(join(cluster.folder, "layout"))
  const layer = (name: string) => layout.addLayer(name, deterministicBytes(name, 200_000), "gzip")
  const image = layout.addImage([layer("one"), layer("two")])
  layout.tag({ "1": image })
  await skopeo.push(layout.folder, `${cluster.up.proxy}/demo/app:1`)
  return { layout: layout.folder, image }
}

export const uploads = /\/blobs\/uploads\//
export const aBlob = /\/blobs\/sha256:/
export const aManifest = /\/manifests\//

export const only = (all: ReadonlyArray<Recorded>, method: string, path: RegExp) =>
  all.filter((one) => one.method === method && path.test(one.path))

/** Checks that every request was answered, and none with a failure of the registry. */
export const answered = (all: ReadonlyArray<Recorded>): ReadonlyArray<Recorded> => {
  expect(all.length).toBeGreaterThan(0)
  for (const { method, path, status } of all) {
    expect(status, `${method} ${path}`).toBeGreaterThan(0)
    expect(status, `${method} ${path}`).toBeLessThan(500)
  }
  return all
}

/** Checks that chunks have no Content-Range, and that each answer states the progress of the upload. */
export const expectStreamed = (all: ReadonlyArray<Recorded>, blobs: number) => {
  const patches = only(all, "PATCH", uploads)
  expect(patches).toHaveLength(blobs)
  for (const patch of patches) {
    expect(patch.headers["content-range"]).toBeUndefined()
    expect(patch.status).toBe(202)
    expect(patch.answered.range).toBe(`0-${patch.sent - 1}`)
  }
  const puts = only(all, "PUT", uploads)
  expect(puts).toHaveLength(blobs)
  for (const put of puts) {
    expect(put.sent).toBe(0)
    expect(put.query.get("digest")).toMatch(/^sha256:/)
    expect(put.status).toBe(201)
  }
}
