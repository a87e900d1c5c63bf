// Requests that are refused although Node's parser accepts them: two readers of HTTP may understand them differently
// (RFC 9112, sections 3.2, 6.1, 11.2: request smuggling), or they ask for a forward proxy, which this server is not. It
// does not know bodies; the parser refuses broken ones.

export interface RequestShape {
  readonly method: string
  /** The target of the request, as received. */
  readonly url: string
  readonly httpVersion: string
  /** Names and values in turn, as received. */
  readonly rawHeaders: ReadonlyArray<string>
}

/** Headers that give the length of a body or the host of a request. Two of one kind have two meanings. */
const onlyOnce = ["host", "content-length", "transfer-encoding"] as const

/** A name, an IPv4 address or an IPv6 address in brackets, with an optional port. */
const hostPattern = /^(?:\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]*)(?::[0-9]{0,5})?$/

const valuesOf = (rawHeaders: ReadonlyArray<string>, name: string): ReadonlyArray<string> =>
  rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)

/** The fault of the request; undefined when there is none. */
export const shapeProblem = (request: RequestShape, maxHeaders: number): string | undefined => {
  const { method, url, httpVersion, rawHeaders } = request
  if (httpVersion !== "1.1" && httpVersion !== "1.0") return `HTTP/${httpVersion} is not spoken here`
  if (!url.startsWith("/") && !(url === "*" && method === "OPTIONS")) {
    return "the request's target must be a path: this is no forward proxy"
  }
  if (url.includes("#")) return "the request's target has a fragment"
  if (rawHeaders.length > 2 * maxHeaders) {
    return `the request has more than ${maxHeaders} headers`
  }
  for (const name of onlyOnce) {
    if (valuesOf(rawHeaders, name).length > 1) return `the header ${name} is given more than once`
  }
  const host = valuesOf(rawHeaders, "host")[0]
  if (host === undefined ? httpVersion === "1.1" : !hostPattern.test(host)) {
    return "the header host is missing, or is no host and port"
  }
  const encoding = valuesOf(rawHeaders, "transfer-encoding")[0]
  const length = valuesOf(rawHeaders, "content-length")[0]
  if (encoding !== undefined) {
    if (httpVersion === "1.0") return "HTTP/1.0 knows no transfer-encoding"
    if (length !== undefined) return "content-length and transfer-encoding exclude each other"
    if (encoding.toLowerCase() !== "chunked") return "the only transfer-encoding known here is chunked"
  }
  if (length !== undefined && !(/^[0-9]+$/.test(length) && Number.isSafeInteger(Number(length)))) {
    return "the content-length is not a number of bytes"
  }
  return undefined
}
