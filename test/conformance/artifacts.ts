// Artifacts that are not images are stored and found like images: what builders attach to an image (attestations in
// its index, signatures and notes as referrers), a Helm chart, and a bare file, each sent in the order and with the
// headers of the programs that make them.

import { describe, expect, test } from "vitest"
import { digestOf } from "../support/deterministic-bytes.ts"
import {
  beginUpload,
  type Descriptor,
  descriptor,
  expectStatus,
  freshBytes,
  indexDocument,
  locationOf,
  type ManifestDocument,
  manifestBytes,
  pushImage,
  pushManifest,
  types,
  withQuery
} from "./content.ts"
import { type Call, newRepository, type Part } from "./registry-under-test.ts"

export const artifacts: Part = (registry) => {
  /** oras and helm: a HEAD; if the blob is absent, a POST, and all of it in one PUT to the Location. */
  const pushAsOras = async (
    repository: string,
    bytes: Uint8Array,
    mediaType: string
  ): Promise<Descriptor> => {
    const { call } = registry()
    const digest = digestOf("sha256", bytes)
    const there = await call("HEAD", `/v2/${repository}/blobs/${digest}`)
    if (there.status !== 200) {
      expectStatus(there, 404)
      const location = await beginUpload(call, repository)
      const headers = { "content-type": "application/octet-stream" }
      const done = await call("PUT", withQuery(location, `digest=${digest}`), { body: bytes, headers })
      locationOf(expectStatus(done, 201))
    }
    return { mediaType, digest, size: bytes.length }
  }

  /** The manifest comes last: HEAD by its digest, then PUT. */
  const putAsOras = async (repository: string, document: ManifestDocument, reference?: string) => {
    const { call } = registry()
    const bytes = manifestBytes(document)
    expectStatus(await call("HEAD", `/v2/${repository}/manifests/${digestOf("sha256", bytes)}`), 404)
    return pushManifest(call, repository, document, reference)
  }

  const referrersOf = async (read: Call, repository: string, digest: string, query = "") => {
    const got = expectStatus(await read("GET", `/v2/${repository}/referrers/${digest}${query}`), 200)
    return JSON.parse(got.text).manifests as ReadonlyArray<{ digest: string; artifactType?: string }>
  }

  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

  test("an image for two platforms with attestations in its index and a signature", async () => {
    const { call, readers } = registry()
    const repository = newRepository()
    const platforms = [await pushImage(call, repository), await pushImage(call, repository)]
    // BuildKit's form: one manifest per platform, whose layers are statements about it.
    const attestations = []
    for (const of of platforms) {
      const statement = json({ _type: "https://in-toto.io/Statement/v0.1", subject: [{ digest: of.digest }] })
      const layer = await pushAsOras(repository, statement, "application/vnd.in-toto+json")
      attestations.push(await pushImage(call, repository, undefined, { layers: [layer] }))
    }
    const index = await pushManifest(
      call,
      repository,
      {
        schemaVersion: 2,
        mediaType: types.index,
        manifests: [
          ...platforms.map((one, at) => ({
            ...descriptor(one),
            platform: { os: "linux", architecture: at === 0 ? "amd64" : "arm64" }
          })),
          ...attestations.map((one, at) => ({
            ...descriptor(one),
            platform: { os: "unknown", architecture: "unknown" },
            annotations: {
              "vnd.docker.reference.type": "attestation-manifest",
              "vnd.docker.reference.digest": platforms[at]!.digest
            }
          }))
        ]
      },
      "1.0"
    )
    const signatureType = "application/vnd.dev.cosign.artifact.sig.v1+json"
    const payload = await pushAsOras(
      repository,
      json({ critical: { image: { "docker-manifest-digest": index.digest } } }),
      "application/vnd.dev.cosign.simplesigning.v1+json"
    )
    const signature = await putAsOras(repository, {
      schemaVersion: 2,
      mediaType: types.manifest,
      artifactType: signatureType,
      config: await pushAsOras(repository, json({}), types.empty),
      layers: [{ ...payload, annotations: { "dev.cosignproject.cosign/signature": "c2lnbmF0dXJl" } }],
      subject: descriptor(index)
    })
    expect(signature.put.headers["oci-subject"]).toBe(index.digest)
    for (const [, read] of readers) {
      const got = expectStatus(await read("GET", `/v2/${repository}/manifests/1.0`), 200)
      const members: ReadonlyArray<Descriptor> = JSON.parse(got.text).manifests
      expect(members).toHaveLength(4)
      for (const member of members) {
        const child = expectStatus(await read("GET", `/v2/${repository}/manifests/${member.digest}`), 200)
        for (const { digest } of JSON.parse(child.text).layers) {
          expectStatus(await read("HEAD", `/v2/${repository}/blobs/${digest}`), 200)
        }
      }
      const query = `?artifactType=${encodeURIComponent(signatureType)}`
      const found = await referrersOf(read, repository, index.digest, query)
      expect(found.map(({ digest }) => digest)).toEqual([signature.digest])
    }
  })

  test("a Helm chart has its own types for config and archive, and its version as a tag", async () => {
    const { readers } = registry()
    const repository = `${newRepository()}/charts/mychart`
    // A tag has no "+", so helm writes "_" instead.
    const version = "0.1.0+build.7"
    const tag = version.replace("+", "_")
    const config = json({ name: "mychart", version, apiVersion: "v2" })
    const archive = freshBytes(4000)
    const document = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: await pushAsOras(repository, config, "application/vnd.cncf.helm.config.v1+json"),
      layers: [
        await pushAsOras(repository, archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
        await pushAsOras(repository, freshBytes(300), "application/vnd.cncf.helm.chart.provenance.v1.prov")
      ],
      annotations: {
        "org.opencontainers.image.title": "mychart",
        "org.opencontainers.image.version": version
      }
    }
    const pushed = await putAsOras(repository, document, tag)
    for (const [, read] of readers) {
      const tags = expectStatus(await read("GET", `/v2/${repository}/tags/list`), 200)
      expect(JSON.parse(tags.text).tags).toEqual([tag])
      const got = expectStatus(await read("GET", `/v2/${repository}/manifests/${tag}`), 200)
      expect(got.headers["docker-content-digest"]).toBe(pushed.digest)
      const chart = await read("GET", `/v2/${repository}/blobs/${JSON.parse(got.text).layers[0].digest}`)
      expect(chart.bytes).toEqual(new Uint8Array(archive))
    }
  })

  describe("a bare file as an artifact", () => {
    test("with the empty config, and with notes attached to it and to each other", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const empty = await pushAsOras(repository, json({}), types.empty)
      const file = freshBytes(2500)
      const layer = {
        ...(await pushAsOras(repository, file, "text/plain")),
        annotations: { "org.opencontainers.image.title": "notes.txt" }
      }
      const document = {
        schemaVersion: 2,
        mediaType: types.manifest,
        artifactType: "application/vnd.example.notes",
        config: { ...empty, data: Buffer.from("{}").toString("base64") },
        layers: [layer]
      }
      const artifact = await putAsOras(repository, document, "v1")
      const attach = (subject: Descriptor, artifactType: string) =>
        pushImage(call, repository, undefined, {
          artifactType,
          config: empty,
          layers: [empty],
          subject: descriptor(subject)
        })
      const review = await attach(artifact, "application/vnd.example.review")
      const answer = await attach(review, "application/vnd.example.answer")
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/manifests/v1`), 200)
        expect(JSON.parse(got.text)).toEqual(document)
        const bytes = (await read("GET", `/v2/${repository}/blobs/${layer.digest}`)).bytes
        expect(bytes).toEqual(new Uint8Array(file))
        // From the artifact to what refers to it, and on from there.
        const about = await referrersOf(read, repository, artifact.digest)
        expect(about).toMatchObject([
          { digest: review.digest, artifactType: "application/vnd.example.review" }
        ])
        expect((await referrersOf(read, repository, review.digest)).map(({ digest }) => digest)).toEqual([
          answer.digest
        ])
      }
    })

    test("without a layer, and in an index of artifacts", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const config = await pushAsOras(repository, json({}), types.empty)
      const bare = await pushImage(call, repository, undefined, {
        artifactType: "application/vnd.example.fact",
        config,
        layers: []
      })
      const index = await pushManifest(
        call,
        repository,
        indexDocument([bare], { artifactType: "application/vnd.example.facts" }),
        "all"
      )
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/manifests/all`), 200)
        expect(got.headers["docker-content-digest"]).toBe(index.digest)
        expectStatus(await read("GET", `/v2/${repository}/manifests/${bare.digest}`), 200)
      }
    })
  })
}
