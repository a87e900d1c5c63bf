// Fake upstream registry for tests of mirrors: images in memory, a token server, a blob store that is the target of
// redirects, and many failures of them. It is a host program, so it runs in every world.

import { Effect, type Scope, Stream } from "effect"
import { Base64 } from "effect/encoding"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { HostProgram, StartedRole } from "../../src/roles/host-program.ts"
import type { HttpApp } from "../../src/roles/http/http-app.ts"
import { digestOf } from "../../src/runtime-net/platform/node-digests.ts"

interface SeenRequest {
  readonly at: "registry" | "tokens" | "blobs"
  readonly method: string
  /** Path and query of the request. */
  readonly url: string
  readonly authorization: string | undefined
  readonly acceptEncoding: string | undefined
}

type Listen = { readonly host: string; readonly port: number }

export interface FakeUpstreamOptions {
  readonly registry: Listen
  readonly tokens: Listen
  readonly blobs: Listen
  /** Base URLs of its parts, as it sends them to clients. */
  readonly tokensUrl: string
  readonly blobsUrl: string
}

/** The names of Docker Hub, for worlds without a real network. */
export const dockerHub: FakeUpstreamOptions = {
  registry: { host: "registry-1.docker.io", port: 1 },
  tokens: { host: "auth.docker.io", port: 2 },
  blobs: { host: "cdn.example", port: 3 },
  tokensUrl: "https://auth.docker.io:2",
  blobsUrl: "https://cdn.example:3"
}

/** Content and behaviour, which tests change while it runs. */
export interface FakeUpstreamState {
  readonly manifests: Map<string, { readonly bytes: Uint8Array; readonly mediaType: string }>
  /** "{repository} {tag}" */
  readonly tags: Map<string, Digest>
  readonly blobs: Map<Digest, Uint8Array>
  /** Requests need a token, or the credentials. */
  auth: "none" | "basic" | "bearer"
  /** The accepted credentials; without them every client gets a token. */
  credentials: { readonly username: string; readonly password: string } | undefined
  /** Replaces its own WWW-Authenticate. */
  challenge: string | undefined
  /** Lifetime of a token in seconds. */
  tokenLifetime: number | undefined
  /** Replaces the body with the token. */
  tokenText: string | undefined
  /** If set, the status of every answer of the token server. */
  tokensFailing: number | undefined
  redirectBlobs: boolean
  /** Replaces the target of its redirects. */
  redirectTo: string | undefined
  /** The referrers by "{repository} {subject}"; without it there is no referrers endpoint. */
  referrers: Map<string, ReadonlyArray<object>> | undefined
  /** If set, the answer to every request at the blob store. */
  blobsFailing: FakeUpstreamState["failing"]
  /** If set, the answer to every request at the registry. */
  failing: { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | undefined
  /** Bodies of blobs break, or end without an error, after `bytes` bytes, as many times as the count says. */
  breakOff: { readonly after: number; times: number; readonly quietly?: boolean } | undefined
  /** Answers a range with one that begins this many bytes later. */
  rangeShift: number
  /** Whether the blob store supports Range. */
  ranges: boolean
  /** Whether answers with manifests have a Docker-Content-Digest. */
  saysDigest: boolean
  /** Bytes are corrupted when they are sent. */
  corrupt: boolean
  /** Each chunk of a blob waits for this. */
  hold: Effect.Effect<void>
  readonly seen: Array<SeenRequest>
  /** The valid Authorization headers; a test may revoke them. */
  readonly tokens: Set<string>
  /** Bytes of blobs that were sent. */
  sent: number
}

export interface FakeUpstream extends StartedRole {
  readonly state: FakeUpstreamState
}

const makeFakeUpstreamState = (): FakeUpstreamState => ({
  manifests: new Map(),
  tags: new Map(),
  blobs: new Map(),
  auth: "none",
  credentials: undefined,
  challenge: undefined,
  tokenLifetime: undefined,
  tokenText: undefined,
  tokensFailing: undefined,
  redirectBlobs: false,
  redirectTo: undefined,
  referrers: undefined,
  failing: undefined,
  blobsFailing: undefined,
  breakOff: undefined,
  rangeShift: 0,
  ranges: true,
  saysDigest: true,
  corrupt: false,
  hold: Effect.void,
  seen: [],
  tokens: new Set(),
  sent: 0
})

type Respond = (
  request: HttpServerRequest.HttpServerRequest
) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope>

const refuse = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.text(`{"errors":[{"code":"X","message":"told to say ${status}"}]}`, { status, headers })

const chunksOf = (bytes: Uint8Array): Stream.Stream<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.byteLength; at += 4000) chunks.push(bytes.subarray(at, at + 4000))
  return Stream.rechunk(Stream.fromIterable(chunks), 1)
}

export const fakeUpstream = (
  options: FakeUpstreamOptions,
  state: FakeUpstreamState = makeFakeUpstreamState()
): HostProgram<FakeUpstream> => {
  const watched = (at: SeenRequest["at"], respond: Respond): HttpApp =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { authorization, "accept-encoding": acceptEncoding } = request.headers
      state.seen.push({ at, method: request.method, url: request.url, authorization, acceptEncoding })
      return yield* respond(request)
    })

  const basicOf = ({ username, password }: NonNullable<FakeUpstreamState["credentials"]>) =>
    `Basic ${Base64.encode(`${username}:${password}`)}`
  let tokens = 0

  const tokenServer: Respond = (request) => {
    if (state.tokensFailing !== undefined) return Effect.succeed(refuse(state.tokensFailing))
    const { credentials } = state
    if (credentials !== undefined && request.headers.authorization !== basicOf(credentials)) {
      return Effect.succeed(refuse(401))
    }
    const token = state.tokenText ?? `token-${++tokens}`
    state.tokens.add(`Bearer ${token}`)
    const expires = state.tokenLifetime === undefined ? {} : { expires_in: state.tokenLifetime }
    return Effect.succeed(
      HttpServerResponse.text(JSON.stringify({ token, ...expires }), { contentType: "application/json" })
    )
  }

  const mayAsk = (authorization: string | undefined): boolean => {
    if (state.auth === "none") return true
    if (authorization === undefined) return false
    if (state.auth === "bearer") return state.tokens.has(authorization)
    return state.credentials !== undefined && authorization === basicOf(state.credentials)
  }

  const challenge = (repository: string): string =>
    state.challenge ??
    (state.auth === "basic"
      ? 'Basic realm="fake"'
      : `Bearer realm="${options.tokensUrl}/token",service="fake",scope="repository:${repository}:pull"`)

  const sendBlob = (request: HttpServerRequest.HttpServerRequest, digest: string) =>
    Effect.gen(function* () {
      const whole = state.blobs.get(digest as Digest)
      if (whole === undefined) return refuse(404)
      if (request.method === "HEAD") {
        return HttpServerResponse.empty({
          status: 200,
          headers: { "content-length": String(whole.byteLength) }
        })
      }
      const range = state.ranges ? /^bytes=(\d+)-$/.exec(request.headers.range ?? "") : null
      const start = range === null ? 0 : Number(range[1]) + state.rangeShift
      const bytes = whole.slice(start)
      if (state.corrupt) bytes[0] = bytes[0]! ^ 1
      const breaking = state.breakOff !== undefined && state.breakOff.times > 0 ? state.breakOff : undefined
      if (breaking !== undefined) breaking.times--
      const sent = breaking === undefined ? bytes : bytes.subarray(0, breaking.after)
      const counted = Stream.mapEffect(chunksOf(sent), (chunk) =>
        Effect.map(state.hold, () => {
          state.sent += chunk.byteLength
          return chunk
        })
      )
      const body =
        breaking === undefined || breaking.quietly === true
          ? counted
          : Stream.concat(counted, Stream.fail(new Error("the store of blobs breaks off")))
      return HttpServerResponse.stream(body, {
        status: range === null ? 200 : 206,
        contentLength: bytes.byteLength,
        headers:
          range === null
            ? {}
            : { "content-range": `bytes ${start}-${whole.byteLength - 1}/${whole.byteLength}` }
      })
    })

  const sendManifest = (
    request: HttpServerRequest.HttpServerRequest,
    repository: string,
    reference: string
  ) => {
    const digest = state.tags.get(`${repository} ${reference}`) ?? reference
    const manifest = state.manifests.get(`${repository} ${digest}`)
    if (manifest === undefined) return refuse(404)
    const headers = {
      "content-type": manifest.mediaType,
      ...(state.saysDigest ? { "docker-content-digest": digest } : {})
    }
    if (request.method === "HEAD") {
      return HttpServerResponse.empty({
        status: 200,
        headers: { ...headers, "content-length": String(manifest.bytes.byteLength) }
      })
    }
    const bytes = manifest.bytes.slice()
    if (state.corrupt) bytes[0] = bytes[0]! ^ 1
    return HttpServerResponse.uint8Array(bytes, { headers, contentType: manifest.mediaType })
  }

  const registry: Respond = (request) =>
    Effect.gen(function* () {
      if (state.failing !== undefined) return refuse(state.failing.status, state.failing.headers)
      const [path = ""] = request.url.split("?", 1)
      const match = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/.exec(path)
      if (match === null) return refuse(404)
      const [, repository, kind, reference] = match as unknown as [string, string, string, string]
      if (!mayAsk(request.headers.authorization)) {
        return refuse(401, { "www-authenticate": challenge(repository) })
      }
      if (kind === "manifests") return sendManifest(request, repository, reference)
      if (kind === "referrers") {
        if (state.referrers === undefined) return refuse(404)
        const manifests = state.referrers.get(`${repository} ${reference}`) ?? []
        return HttpServerResponse.text(JSON.stringify({ schemaVersion: 2, manifests }), {
          contentType: "application/vnd.oci.image.index.v1+json"
        })
      }
      if (kind === "tags") {
        const tags = [...state.tags.keys()].flatMap((key) =>
          key.startsWith(`${repository} `) ? [key.slice(repository.length + 1)] : []
        )
        return HttpServerResponse.text(JSON.stringify({ name: repository, tags }), {
          contentType: "application/json"
        })
      }
      if (!state.redirectBlobs) return yield* sendBlob(request, reference)
      const location = state.redirectTo ?? `${options.blobsUrl}/store/${reference}?signature=1`
      return HttpServerResponse.empty({ status: 307, headers: { location } })
    })

  const blobStore: Respond = (request) => {
    if (state.blobsFailing !== undefined) {
      return Effect.succeed(refuse(state.blobsFailing.status, state.blobsFailing.headers))
    }
    // A real blob store refuses a request with two kinds of authorization.
    return request.headers.authorization !== undefined
      ? Effect.succeed(refuse(400))
      : sendBlob(request, new URL(request.url, options.blobsUrl).pathname.slice("/store/".length))
  }

  return Effect.succeed({
    listeners: [
      { name: "registry", listen: options.registry, app: watched("registry", registry) },
      { name: "tokens", listen: options.tokens, app: watched("tokens", tokenServer) },
      { name: "blobs", listen: options.blobs, app: watched("blobs", blobStore) }
    ],
    state
  })
}

/** The digest of a manifest and those of its layers. */
interface PublishedImage<Layers extends ReadonlyArray<Uint8Array>> {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly layers: { readonly [Index in keyof Layers]: Digest }
}

/** Adds an image with these layers to the upstream and returns its digests. */
export const publishImage = <const Layers extends ReadonlyArray<Uint8Array>>(
  state: FakeUpstreamState,
  repository: string,
  tag: string,
  layers: Layers
): PublishedImage<Layers> => {
  const mediaType = "application/vnd.oci.image.manifest.v1+json"
  const put = (type: string, bytes: Uint8Array) => {
    const digest = digestOf("sha256", bytes)
    state.blobs.set(digest, bytes)
    return { mediaType: type, digest, size: bytes.byteLength }
  }
  const config = put(
    "application/vnd.oci.image.config.v1+json",
    new TextEncoder().encode(
      JSON.stringify({ architecture: "amd64", os: "linux", of: `${repository}:${tag}` })
    )
  )
  const described = layers.map((bytes) => put("application/vnd.oci.image.layer.v1.tar", bytes))
  const bytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType, config, layers: described })
  )
  const digest = digestOf("sha256", bytes)
  state.manifests.set(`${repository} ${digest}`, { bytes, mediaType })
  state.tags.set(`${repository} ${tag}`, digest)
  const digests = described.map((layer) => layer.digest)
  return { digest, bytes, layers: digests as PublishedImage<Layers>["layers"] }
}
