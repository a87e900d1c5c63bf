// A client that pushes to a registry in plain node:http, with one connection that is kept alive. It does as docker
// does: HEAD, POST, PATCH and PUT for each blob, then PUT of the manifest. It runs in a process of its own (client-
// program.ts).

import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http"
import { blockLength, makeBulkBlock } from "./bulk-content.ts"
import type { Bulk, PushLargeDone, PushLargeJob } from "./client-jobs.ts"

/** Between two signs of life of a registry; a client fails with it, so that no bench waits for ever. */
export const patienceMilliseconds = 900_000
const layerLength = 10 * 1024

export interface RegistryClient {
  readonly pushImage: (repository: string, tag: string) => Promise<void>
  readonly pushBulk: (
    repositoryUrl: string,
    bulk: Bulk,
    uploads: PushLargeJob["uploads"]
  ) => Promise<PushLargeDone>
  readonly close: () => void
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const refused = (what: string, response: IncomingMessage, text: string): Error =>
  new Error(`${what} was answered with ${response.statusCode}: ${text.slice(0, 200).replaceAll(/\s+/g, " ")}`)

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = ""
  for await (const part of response.setEncoding("utf8")) text += part
  return text
}

/** The address at which an upload session goes on, with the digest that ends it if there is one. */
const sessionUrl = (base: string, response: IncomingMessage, digest?: string): string => {
  const url = new URL(response.headers.location ?? "", base)
  if (digest !== undefined) url.searchParams.set("digest", digest)
  return url.href
}

export const makeRegistryClient = (base: string): RegistryClient => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const open = (method: string, url: string, headers: OutgoingHttpHeaders) => {
    const outgoing = request(url, { method, agent, headers, timeout: patienceMilliseconds })
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${url}: no answer`)))
    return outgoing
  }
  const answered = async (outgoing: ReturnType<typeof open>): Promise<IncomingMessage> => {
    const [response] = (await once(outgoing, "response")) as [IncomingMessage]
    return response
  }
  /** One request with a small body, whose answer is read whole. */
  const ask = async (
    method: string,
    url: string,
    expected: number,
    body: Buffer | undefined = undefined,
    type = "application/octet-stream"
  ): Promise<IncomingMessage> => {
    const outgoing = open(method, url, {
      "content-length": body?.byteLength ?? 0,
      ...(body === undefined ? {} : { "content-type": type })
    })
    outgoing.end(body)
    const response = await answered(outgoing)
    const text = await textOf(response)
    if (response.statusCode !== expected) throw refused(`${method} ${url}`, response, text)
    return response
  }

  const pushBlob = async (repositoryUrl: string, bytes: Buffer): Promise<string> => {
    const digest = digestOf(bytes)
    await ask("HEAD", `${repositoryUrl}/blobs/${digest}`, 404)
    const session = await ask("POST", `${repositoryUrl}/blobs/uploads/`, 202)
    const sent = await ask("PATCH", sessionUrl(base, session), 202, bytes)
    await ask("PUT", sessionUrl(base, sent, digest), 201)
    return digest
  }

  return {
    pushImage: async (repository, tag) => {
      const repositoryUrl = `${base}/v2/${repository}`
      const config = Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          created: "2026-01-01T00:00:00Z",
          config: { Labels: { unique: randomBytes(16).toString("hex") } },
          rootfs: { type: "layers", diff_ids: [] }
        })
      )
      const layer = randomBytes(layerLength)
      const configDigest = await pushBlob(repositoryUrl, config)
      const layerDigest = await pushBlob(repositoryUrl, layer)
      const mediaType = "application/vnd.oci.image.manifest.v1+json"
      const manifest = {
        schemaVersion: 2,
        mediaType,
        config: {
          mediaType: "application/vnd.oci.image.config.v1+json",
          digest: configDigest,
          size: config.byteLength
        },
        layers: [
          {
            mediaType: "application/vnd.oci.image.layer.v1.tar",
            digest: layerDigest,
            size: layer.byteLength
          }
        ]
      }
      const bytes = Buffer.from(JSON.stringify(manifest))
      await ask("PUT", `${repositoryUrl}/manifests/${tag}`, 201, bytes, mediaType)
    },

    pushBulk: async (repositoryUrl, { seed, length, digest }, uploads) => {
      const began = performance.now()
      const isOci = uploads === "oci"
      // Kraken's origin takes a blob from another origin at this address, and names the session in the same header.
      const startUrl = isOci ? `${repositoryUrl}/blobs/uploads/` : `${base}/internal/blobs/${digest}/uploads`
      const session = await ask("POST", startUrl, isOci ? 202 : 200)
      const patchUrl = isOci ? sessionUrl(base, session) : `${startUrl}/${session.headers.location}`
      const outgoing = open("PATCH", patchUrl, {
        "content-length": length,
        "content-type": "application/octet-stream",
        ...(isOci ? {} : { "content-range": `0-${length}` })
      })
      const response = answered(outgoing)
      // A refusal before all bytes are sent is reported when the answer is awaited.
      response.catch(() => undefined)
      // The socket holds a block until it is written, so the next one is another.
      const blocks = [makeBulkBlock(seed), makeBulkBlock(seed)] as const
      let written: Promise<void> = Promise.resolve()
      for (let number = 0; number * blockLength < length; number++) {
        const part = blocks[number % 2 === 0 ? 0 : 1]
          .become(number)
          .subarray(0, Math.min(blockLength, length - number * blockLength))
        const before = written
        written = new Promise((resolve, reject) => {
          outgoing.write(part, (error) => (error ? reject(error) : resolve()))
        })
        written.catch(() => undefined)
        await before
      }
      await written
      const last = performance.now()
      outgoing.end()
      const sent = await response
      const text = await textOf(sent)
      if (sent.statusCode !== (isOci ? 202 : 200)) throw refused(`PATCH of ${repositoryUrl}`, sent, text)
      await (isOci ? ask("PUT", sessionUrl(base, sent, digest), 201) : ask("PUT", patchUrl, 200))
      const ended = performance.now()
      return { seconds: (ended - began) / 1000, silence: (ended - last) / 1000 }
    },

    close: () => agent.destroy()
  }
}
