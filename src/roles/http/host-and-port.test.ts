// Tests of addresses as URLs have them: brackets around IPv6, and the loopback address by which this machine reaches a
// listener on every address.

import { expect, it } from "vitest"
import { hostAndPort, isEveryAddress, localUrl } from "./host-and-port.ts"

it("an IPv6 address gets brackets", () => {
  expect(["host.example", "10.0.0.1", "::1"].map((host) => hostAndPort(host, 5000))).toEqual([
    ...["host.example:5000", "10.0.0.1:5000", "[::1]:5000"]
  ])
})

it("a listener on every address is reached by the loopback of its family", () => {
  const urls = ["0.0.0.0", "::", "127.0.0.1", "::1", "host.example", "10.0.0.1"].map((host) => [
    isEveryAddress(host),
    localUrl({ host, port: 80 })
  ])
  expect(urls).toEqual([
    [true, "http://127.0.0.1:80"],
    [true, "http://[::1]:80"],
    [false, "http://127.0.0.1:80"],
    [false, "http://[::1]:80"],
    [false, "http://host.example:80"],
    [false, "http://10.0.0.1:80"]
  ])
})
