// What bare Node can do for the same bytes: the least registry that stores blobs durably and verified. It has one
// process and no routes beyond those that the clients of the bench use, forgets everything when it ends, and checks
// nothing else. With an upstream it is the least agent: it fetches a blob that it does not have, stores it as an upload
// is stored, then serves it.
//
//   node floor-server.ts PORT FOLDER [UPSTREAM]

import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { createReadStream, existsSync } from "node:fs"
import { type FileHandle, open, rename, stat } from "node:fs/promises"
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http"
import { join } from "node:path"

const [, , port = "", folder = "", upstream] = process.argv
const readLength = 2 ** 20

interface Upload {
  readonly path: string
  readonly file: FileHandle
  readonly digest: ReturnType<typeof createHash>
}
const uploads = new Map<string, Upload>()

const begin = async (): Promise<readonly [id: string, upload: Upload]> => {
  const id = randomUUID()
  const path = join(folder, id)
  return [id, { path, file: await open(path, "wx"), digest: createHash("sha256") }]
}

/** Hashes and writes what arrives; the next part is read while the one before is written. */
const receive = async ({ file, digest }: Upload, body: IncomingMessage): Promise<void> => {
  let written: Promise<unknown> = Promise.resolve()
  for await (const part of body as AsyncIterable<Buffer>) {
    digest.update(part)
    await written
    written = file.write(part)
  }
  await written
}

const blobPath = (digest: string): string => join(folder, digest.replace(":", "-"))

/** The blob is durable when this ends: its bytes, then its name. */
const keep = async ({ path, file, digest }: Upload, wanted: string): Promise<void> => {
  if (`sha256:${digest.digest("hex")}` !== wanted) throw new Error(`wrong digest, not ${wanted}`)
  await file.sync()
  await file.close()
  await rename(path, blobPath(wanted))
  const parent = await open(folder)
  await parent.sync()
  await parent.close()
}

const fetching = new Map<string, Promise<void>>()

/** Requests for a blob that is on its way wait for it. */
const fetchOnce = (digest: string): Promise<void> => {
  const running = fetching.get(digest) ?? fetchBlob(digest).finally(() => fetching.delete(digest))
  fetching.set(digest, running)
  return running
}

const fetchBlob = async (digest: string): Promise<void> => {
  const [response] = (await once(get(`${upstream}/v2/floor/blobs/${digest}`), "response")) as [
    IncomingMessage
  ]
  const [, upload] = await begin()
  await receive(upload, response)
  await keep(upload, digest)
}

const answer = (response: ServerResponse, status: number, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "content-length": "0", ...headers }).end()
}

const serveBlob = async (response: ServerResponse, digest: string): Promise<void> => {
  if (!existsSync(blobPath(digest)) && upstream !== undefined) await fetchOnce(digest)
  if (!existsSync(blobPath(digest))) return answer(response, 404)
  response.writeHead(200, { "content-length": String((await stat(blobPath(digest))).size) })
  createReadStream(blobPath(digest), { highWaterMark: readLength }).pipe(response)
}

const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? "/", "http://floor")
  const last = url.pathname.split("/").at(-1) ?? ""
  const upload = uploads.get(last)
  if (request.method === "GET" && last.startsWith("sha256:")) return serveBlob(response, last)
  if (request.method === "GET") return answer(response, 200)
  if (request.method === "HEAD") return answer(response, existsSync(blobPath(last)) ? 200 : 404)
  if (request.method === "POST") {
    const [id, begun] = await begin()
    uploads.set(id, begun)
    return answer(response, 202, { location: `/uploads/${id}` })
  }
  if (request.method === "PATCH" && upload !== undefined) {
    await receive(upload, request)
    return answer(response, 202, { location: url.pathname })
  }
  if (request.method === "PUT" && upload !== undefined) {
    await keep(upload, url.searchParams.get("digest") ?? "")
    uploads.delete(last)
    return answer(response, 201)
  }
  if (request.method === "PUT") {
    const [, manifest] = await begin()
    await receive(manifest, request)
    const digest = `sha256:${manifest.digest.copy().digest("hex")}`
    await keep(manifest, digest)
    return answer(response, 201)
  }
  answer(response, 404)
}

createServer((request, response) => {
  handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
}).listen(Number(port), "127.0.0.1")
