// The contents of notifications: the distribution project's envelope, Harbor's version of it, and anything else.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anyJson } from "../../../testing/roles/any-json.ts"
import { OciError } from "../oci/oci-error.ts"
import { proxyLimits } from "./limits.ts"
import { parseNotification as parse } from "./preheat-notification.ts"

const digest = `sha256:${"cd".repeat(32)}`

/** In the form that JSON carries. */
const sent = (value: object): unknown => JSON.parse(JSON.stringify(value))

// The fields of the distribution project's documentation of notifications.
const event = (target: object, action = "push") =>
  sent({
    id: "320678d8-ca14-430f-8bb6-4ca139cd83f7",
    timestamp: "2026-03-09T14:44:26.402973972-08:00",
    action,
    target: {
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      digest,
      size: 708,
      length: 708,
      repository: "demo/app",
      url: `http://192.0.2.1:5000/v2/demo/app/manifests/${digest}`,
      tag: "latest",
      ...target
    },
    request: {
      id: "6df24a34",
      addr: "192.0.2.4:40506",
      host: "192.0.2.1:5000",
      method: "PUT",
      useragent: "x"
    },
    actor: {},
    source: { addr: "host:5000", instanceID: "a53db899" }
  })

const parseNotification = (json: unknown) => parse(json, proxyLimits)

const pushed = { repository: "demo/app", tag: "latest", reference: { tag: "Digest", digest } }

describe("a notification", () => {
  it("of the distribution project's registry names the pushed tags", () => {
    const blob = { mediaType: "application/octet-stream", tag: undefined }
    const index = { mediaType: "application/vnd.oci.image.index.v1+json", tag: "2" }
    expect(
      parseNotification({
        events: [event({}), event(blob), event({}, "pull"), event({ tag: undefined }), event(index)]
      })
    ).toEqual({ pushed: [pushed, { ...pushed, tag: "2" }], ignored: 3 })
  })

  it("of Harbor, for Kraken, has capitalised names", () => {
    const target = {
      MediaType: "application/vnd.docker.distribution.manifest.v2+json",
      Digest: digest,
      Repository: "demo/app",
      Url: "https://harbor.example/v2/demo/app/manifests/latest",
      Tag: "latest"
    }
    const harbor = { Id: "x", TimeStamp: "2026-01-01T00:00:00Z", Action: "push", Target: target }
    expect(
      parseNotification({
        Events: [
          { ...harbor, Request: null, Actor: null },
          { ...harbor, Target: { ...target, Digest: "" } },
          { ...harbor, Target: null }
        ]
      })
    ).toEqual({ pushed: [pushed, { ...pushed, reference: { tag: "Tag", name: "latest" } }], ignored: 1 })
  })

  it("with invalid names has no effect", () => {
    const bad = [{ repository: "../x" }, { tag: "a/b" }, { digest: "sha256:1" }, { repository: undefined }]
    expect(parseNotification({ events: bad.map((target) => event(target)) })).toEqual({
      pushed: [],
      ignored: bad.length
    })
  })

  it.each([null, [], {}, { events: {} }, { events: [1] }, { events: [{ target: {} }] }, "events"])(
    "%j is not one",
    (json) => {
      const refused = parseNotification(json)
      expect(refused).toBeInstanceOf(OciError)
      expect((refused as OciError).status).toBe(400)
    }
  )

  it("with too many events is refused", () => {
    const of = (count: number) =>
      parse({ events: Array.from({ length: count }, () => event({})) }, { maxNotificationEvents: 3 })
    expect(of(3)).toMatchObject({ ignored: 0 })
    expect(of(4)).toMatchObject({ status: 400, message: expect.stringContaining("4 events, more than 3") })
  })

  it("of any other kind is refused and causes nothing worse", () => {
    const key = fc.constantFrom(
      "events",
      "Events",
      "action",
      "target",
      "Target",
      "tag",
      "__proto__",
      "digest"
    )
    const anything = anyJson(key, fc.constant("push"), 4)
    fc.assert(
      fc.property(anything, (json) => {
        const parsed = parseNotification(json)
        if (parsed instanceof OciError) expect(parsed.status).toBe(400)
        else
          expect(parsed.pushed.length + parsed.ignored).toBeLessThanOrEqual(proxyLimits.maxNotificationEvents)
      }),
      { numRuns: 2000 }
    )
  })
})
