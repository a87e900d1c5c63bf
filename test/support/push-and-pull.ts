// Clients of a cluster that is being broken: they push images, move and delete tags, and pull, in small requests, and
// retry until they are answered. Acknowledged content is recorded and compared with the cluster afterwards. They do
// not know what breaks.

import { createHash } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { deterministicBytes, sha256 } from "./deterministic-bytes.ts"

const manifestType = "application/vnd.oci.image.manifest.v1+json"
const layerBytes = 400_000
const chunkBytes = 50_000

export interface Clients {
  /** Steps of all clients so far, including failed ones: the clock of the test. */
  readonly steps: () => number
  /** Settles after `count` further steps. */
  readonly afterSteps: (count: number) => Promise<void>
  /** Settles when every client has ended its work. */
  readonly end: () => Promise<void>
  /** Reads all acknowledged content at `registry`. Returns the number of contents that were there and whole. */
  readonly expectAcknowledged: (registry: string) => Promise<number>
  readonly pushes: () => number
  readonly pulls: () => number
}

/** The content that a repository must serve: the digest of each path, or undefined when it must be absent. */
type Acknowledged = Map<string, string | undefined>

/** Attempts without an answer before a client gives up: more than any process needs to start. */
const patience = 1_000

export const startClients = (proxy: string, agent: string, pushers: number, seed: string): Clients => {
  const acknowledged: Acknowledged = new Map()
  /** Images that can be pulled: their tag's path, with the digests of their layers. */
  const pullable: Array<{ readonly repository: string; readonly tag: string }> = []
  let steps = 0
  let pushes = 0
  let pulls = 0
  let ending = false
  const waiting = new Set<{ readonly at: number; readonly wake: () => void }>()

  const step = () => {
    steps++
    for (const waiter of waiting) {
      if (waiter.at > steps) continue
      waiting.delete(waiter)
      waiter.wake()
    }
  }

  /** Retries until `attempt` returns an acceptable outcome. */
  const retryUntil = async <A>(what: string, attempt: () => Promise<A>, willDo: (outcome: A) => boolean) => {
    let last: unknown = "nothing"
    for (let tries = 0; tries < patience; tries++) {
      try {
        const outcome = await attempt()
        step()
        if (willDo(outcome)) return outcome
        last = outcome
      } catch (error) {
        step()
        last = error
      }
      await sleep(20)
    }
    throw new Error(`${what} did not succeed: ${last}`)
  }

  const send = async (url: string, init: RequestInit, ...expected: ReadonlyArray<number>) => {
    const answer = await fetch(url, init)
    if (expected.includes(answer.status)) return answer
    throw new Error(`${init.method ?? "GET"} ${url}: ${answer.status} ${await answer.text()}`)
  }

  /** Pushes a blob by POST, PATCHes and PUT, and starts again whenever something fails. */
  const pushBlob = async (repository: string, bytes: Uint8Array): Promise<string> => {
    const digest = sha256(bytes)
    const path = `/v2/${repository}/blobs/${digest}`
    await retryUntil(
      `the push of ${path}`,
      async () => {
        const begun = await send(`http://${proxy}/v2/${repository}/blobs/uploads/`, { method: "POST" }, 202)
        const location = `http://${proxy}${begun.headers.get("location")}`
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          const body = Buffer.from(bytes.subarray(at, at + chunkBytes))
          await send(location, { method: "PATCH", body }, 202)
          step()
        }
        await send(`${location}?digest=${digest}`, { method: "PUT" }, 201)
        return digest
      },
      (outcome) => outcome === digest
    )
    acknowledged.set(path, digest)
    return digest
  }

  const putManifest = async (repository: string, tag: string, bytes: Uint8Array) => {
    const path = `/v2/${repository}/manifests/${tag}`
    const headers = { "content-type": manifestType }
    const body = Buffer.from(bytes)
    await retryUntil(
      `the push of ${path}`,
      async () => (await send(`http://${proxy}${path}`, { method: "PUT", headers, body }, 201)).status,
      (outcome) => outcome === 201
    )
    acknowledged.set(path, sha256(bytes))
    acknowledged.set(`/v2/${repository}/manifests/${sha256(bytes)}`, sha256(bytes))
  }

  const pusher = async (index: number) => {
    const repository = `kill/pusher-${index}`
    for (let image = 0; !ending || image === 0; image++) {
      const blob = async (mediaType: string, bytes: Uint8Array) => ({
        mediaType,
        digest: await pushBlob(repository, bytes),
        size: bytes.length
      })
      const layer = (name: string) =>
        blob(
          "application/vnd.oci.image.layer.v1.tar",
          deterministicBytes(`${seed} ${repository} ${name}`, layerBytes)
        )
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: manifestType,
          config: await blob("application/vnd.oci.image.config.v1+json", Buffer.from(`{"image":${image}}`)),
          layers: [await layer("base"), await layer(`${image}`)]
        })
      )
      await putManifest(repository, `${image}`, manifest)
      await putManifest(repository, "latest", manifest)
      pullable.push({ repository, tag: `${image}` })
      pushes++
      if (image % 3 !== 2) continue
      // Nobody pulls this tag any more.
      const removed = `/v2/${repository}/manifests/${image - 2}`
      const place = pullable.findIndex(
        (entry) => entry.repository === repository && entry.tag === `${image - 2}`
      )
      if (place !== -1) pullable.splice(place, 1)
      await retryUntil(
        `the deletion of ${removed}`,
        async () => (await send(`http://${proxy}${removed}`, { method: "DELETE" }, 202, 404)).status,
        (status) => status !== 0
      )
      acknowledged.set(removed, undefined)
    }
  }

  /** The digest of a registry's answer. */
  const read = async (registry: string, path: string): Promise<string | undefined> => {
    const answer = await send(`http://${registry}${path}`, {}, 200, 404)
    if (answer.status === 404) {
      await answer.arrayBuffer()
      return undefined
    }
    const hash = createHash("sha256")
    for await (const chunk of answer.body ?? []) {
      hash.update(chunk)
      step()
    }
    return `sha256:${hash.digest("hex")}`
  }

  const puller = async () => {
    for (let turn = 0; !ending; turn++) {
      const image = pullable[turn % Math.max(1, pullable.length)]
      if (image === undefined) {
        await sleep(20)
        continue
      }
      const path = `/v2/${image.repository}/manifests/${image.tag}`
      const manifest = await retryUntil(
        `the pull of ${path}`,
        // It may have been deleted since.
        async () =>
          pullable.includes(image) ? (await send(`http://${agent}${path}`, {}, 200)).text() : "deleted",
        (outcome) => outcome !== ""
      )
      if (manifest === "deleted") continue
      const { layers } = JSON.parse(manifest) as { layers: ReadonlyArray<{ digest: string }> }
      for (const { digest } of layers) {
        const blob = `/v2/${image.repository}/blobs/${digest}`
        await retryUntil(
          `the pull of ${blob}`,
          () => read(agent, blob),
          (outcome) => outcome === digest
        )
      }
      pulls++
    }
  }

  const clients = [...Array.from({ length: pushers }, (_, index) => pusher(index)), puller()]
  // Callers that wait for steps learn that a client gave up.
  const gaveUp = Promise.all(clients)
  gaveUp.catch(() => {})
  return {
    steps: () => steps,
    afterSteps: (count) =>
      Promise.race([
        gaveUp.then(() => {}),
        new Promise<void>((wake) => waiting.add({ at: steps + count, wake }))
      ]),
    end: async () => {
      ending = true
      await gaveUp
    },
    expectAcknowledged: async (registry) => {
      let whole = 0
      for (const [path, digest] of acknowledged) {
        const found = await read(registry, path)
        if (found !== digest) throw new Error(`${path} is ${found}, but ${digest} was acknowledged`)
        if (digest !== undefined) whole++
      }
      return whole
    },
    pushes: () => pushes,
    pulls: () => pulls
  }
}
