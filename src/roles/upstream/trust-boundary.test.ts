// The hosts that an upstream may name: token servers of its own, never foreign ones; redirects that keep TLS.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { isDistrusted, makeTrustBoundary } from "./trust-boundary.ts"

const hub = makeTrustBoundary({
  name: "docker.io",
  url: "https://registry-1.docker.io",
  trustedRealms: ["login.example", "other.example:8443"]
})
const localPlace = { name: "localhost:5000", url: "http://127.0.0.1:5000", trustedRealms: [] }
const local = makeTrustBoundary(localPlace)

describe("the trust boundary of an upstream", () => {
  test.each([
    "https://auth.docker.io/token",
    "https://registry-1.docker.io/v2/auth",
    "https://docker.io/token?x=1",
    "https://AUTH.Docker.io:8443/token",
    "https://login.example/token",
    "https://login.example:9000/token",
    "https://other.example:8443/"
  ])("%s may issue tokens", (realm) => {
    expect(isDistrusted(hub.realm(realm))).toBe(false)
  })

  test.each([
    "http://auth.docker.io/token",
    "https://auth.docker.io.evil.example/token",
    "https://evildocker.io/token",
    "https://evil.example/auth.docker.io",
    "https://evil.example#.docker.io",
    "https://evil.example\\.docker.io/",
    "https://user:secret@auth.docker.io/token",
    "https://auth.docker.io@evil.example/token",
    "https://sub.login.example/token",
    "https://other.example/",
    "https://io/token",
    "https://169.254.169.254/latest",
    "ftp://auth.docker.io/",
    "file:///etc/passwd",
    "/token",
    "not a url",
    ""
  ])("%j gets no credentials", (realm) => {
    expect(isDistrusted(hub.realm(realm))).toBe(true)
  })

  test("plain http is allowed on loopback only", () => {
    expect(isDistrusted(local.realm("http://127.0.0.1:5001/token"))).toBe(false)
    expect(isDistrusted(local.realm("http://localhost:5001/token"))).toBe(false)
    expect(isDistrusted(local.realm("http://127.0.0.2:5001/token"))).toBe(true)
    const apart = makeTrustBoundary({
      name: "registry.example",
      url: "http://registry.example",
      trustedRealms: []
    })
    expect(isDistrusted(apart.realm("http://registry.example/token"))).toBe(true)
    expect(isDistrusted(apart.realm("https://registry.example/token"))).toBe(false)
    const listed = makeTrustBoundary({ ...localPlace, trustedRealms: ["auth.example"] })
    expect(isDistrusted(listed.realm("http://auth.example/token"))).toBe(true)
    expect(isDistrusted(listed.realm("https://auth.example/token"))).toBe(false)
  })

  test("a top-level name trusts no host below it", () => {
    const single = makeTrustBoundary({ name: "registry", url: "https://registry", trustedRealms: [] })
    expect(isDistrusted(single.realm("https://auth.registry/token"))).toBe(true)
    expect(isDistrusted(single.realm("https://registry/token"))).toBe(false)
  })

  test("redirects keep TLS and do not lead to loopback", () => {
    const from = new URL("https://registry-1.docker.io/v2/a/blobs/x")
    const follow = (location: string) => {
      const url = hub.redirect(location, from)
      return isDistrusted(url) ? undefined : url.href
    }
    expect(follow("https://cdn.example/blob?sig=1")).toBe("https://cdn.example/blob?sig=1")
    expect(follow("../manifests/1")).toBe("https://registry-1.docker.io/v2/a/manifests/1")
    for (const bad of [
      "http://cdn.example/blob",
      "https://127.0.0.1/blob",
      "https://localhost:1/",
      "https://[::1]/",
      "https://user@cdn.example/",
      "data:text/plain,x",
      "https://"
    ]) {
      expect(follow(bad)).toBeUndefined()
    }
    expect(isDistrusted(local.redirect("http://127.0.0.1:9/x", new URL("http://127.0.0.1:5000/")))).toBe(
      false
    )
  })

  test("a refusal says what was named, cut after 200 characters", () => {
    const why = (refused: ReturnType<typeof hub.realm>) => (isDistrusted(refused) ? refused.reason : "")
    const base = new URL("https://registry-1.docker.io/")
    expect(why(hub.realm("not a url"))).toBe('docker.io: its realm "not a url" is not a URL')
    expect(why(hub.realm("http://auth.docker.io/token"))).toContain(
      "its realm http://auth.docker.io/token is not"
    )
    expect(why(hub.realm("https://evil.example/x"))).toContain('add "evil.example" to trustedRealms')
    expect(why(hub.redirect("https://", base))).toContain('it redirects to "https://", which is not a URL')
    expect(why(hub.redirect("http://cdn.example/x", base))).toContain("from https to http://cdn.example")
    const long = why(hub.realm(`/${"x".repeat(500)}`))
    expect(long).toContain(`"/${"x".repeat(199)}"`)
  })

  test("only the upstream's own origin is the upstream", () => {
    expect(hub.isUpstream(new URL("https://registry-1.docker.io/v2/"))).toBe(true)
    for (const other of [
      "https://registry-1.docker.io:8443/",
      "http://registry-1.docker.io/",
      "https://docker.io/"
    ]) {
      expect(hub.isUpstream(new URL(other))).toBe(false)
    }
  })

  test("a trusted realm's host is always one that was configured", () => {
    const part = fc.constantFrom(
      "docker.io",
      "auth.",
      "registry-1.",
      "evil.example",
      "@",
      "/",
      "#",
      "?",
      "\\",
      ":443",
      ".",
      "%2e",
      "login.example"
    )
    fc.assert(
      fc.property(
        fc.constantFrom("https://", "http://", "HTTPS://", "//", ""),
        fc.array(part, { minLength: 1, maxLength: 6 }),
        (scheme, parts) => {
          const url = hub.realm(scheme + parts.join(""))
          if (isDistrusted(url)) return
          expect(url.protocol).toBe("https:")
          expect(url.hostname).toMatch(/^(?:(?:.+\.)?docker\.io|login\.example|other\.example)$/)
        }
      ),
      { numRuns: 3000 }
    )
  })
})
