// Sends exactly the request that a test means: headers as given, a body with its length or chunked without one, no
// redirect followed, nothing decoded. fetch decides too much of that by itself.

import { Agent, request } from "node:http"

/** Bytes are sent with a Content-Length, a list of bytes chunked. */
export type RawBody = Uint8Array | ReadonlyArray<Uint8Array>

export interface RawAnswer {
  readonly status: number
  /** Names in lower case. Values of a repeated name are joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Uint8Array
  readonly text: string
}

const connections = new Agent({ keepAlive: true })

/** Sends one request to "host:port" and returns the whole answer. */
export const exchange = (
  address: string,
  method: string,
  path: string,
  sent: { readonly headers?: Readonly<Record<string, string>>; readonly body?: RawBody } = {}
): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const { body, headers = {} } = sent
    const length =
      body instanceof Uint8Array
        ? { "content-length": String(body.length) }
        : body === undefined && method !== "GET" && method !== "HEAD"
          ? { "content-length": "0" }
          : {}
    const outgoing = request(
      `http://${address}${path}`,
      { method, agent: connections, headers: { ...length, ...headers } },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.once("error", reject)
        response.once("end", () => {
          const bytes = Buffer.concat(chunks)
          resolve({
            status: response.statusCode!,
            headers: Object.fromEntries(
              Object.entries(response.headers).map(([name, value]) => [
                name,
                Array.isArray(value) ? value.join(", ") : value
              ])
            ),
            bytes: new Uint8Array(bytes),
            text: bytes.toString()
          })
        })
      }
    )
    outgoing.once("error", reject)
    if (body !== undefined)
      for (const chunk of body instanceof Uint8Array ? [body] : body) outgoing.write(chunk)
    outgoing.end()
  })
