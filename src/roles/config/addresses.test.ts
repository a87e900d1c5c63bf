// Hosts and URLs in a configuration, with IPv6 like any other address.

import { Schema } from "effect"
import { expect, test } from "vitest"
import { HttpUrl, Listen, PeerListen } from "./addresses.ts"

const listen = Schema.decodeUnknownSync(Listen)
const peerListen = Schema.decodeUnknownSync(PeerListen)
const httpUrl = Schema.decodeUnknownSync(HttpUrl)

test("a listener's host is a name or an address; IPv6 may have brackets", () => {
  for (const [written, host] of [
    ["::1", "::1"],
    ["[::1]", "::1"],
    ["[fd00::5]", "fd00::5"],
    ["::", "::"],
    ["10.0.0.1", "10.0.0.1"],
    ["host.internal", "host.internal"]
  ]) {
    expect(listen({ host: written, port: 1 })).toEqual({ host, port: 1 })
    expect(peerListen({ host: written, port: 2, advertise: written })).toEqual({
      host,
      port: 2,
      advertise: host
    })
  }
  expect(listen({ port: 1 }).host).toBe("127.0.0.1")
})

test("a host is not empty, since nothing would mean every address, and has no blanks", () => {
  for (const host of ["", " ", "a b", "host\n"]) expect(() => listen({ host, port: 1 }), host).toThrow()
})

test("a URL's port is at most 65535", () => {
  expect(httpUrl("http://a:65535")).toBe("http://a:65535")
  for (const port of ["65536", "99999", "70000"]) expect(() => httpUrl(`http://a:${port}`), port).toThrow()
})

test("a URL names a host, which may be an IPv6 address in brackets, an optional port, and nothing else", () => {
  for (const url of [
    "http://tracker:15003",
    "http://tracker",
    "https://tracker.internal/",
    "http://10.0.0.1:65535",
    "http://[::1]:16000",
    "http://[fd00::1:2]",
    "http://[::ffff:10.0.0.1]:1/"
  ]) {
    expect(httpUrl(url)).toBe(url)
  }
  for (const url of [
    "http://::1:16000",
    "http://[::1]x:1",
    "http://[::1",
    "http://[zz]:1",
    "http://host:port",
    "http://host:123456",
    "http://user@host:1",
    "http://host:1/path",
    "http://host:1?query",
    "ftp://host",
    "host:1",
    ""
  ]) {
    expect(() => httpUrl(url), url).toThrow()
  }
})
