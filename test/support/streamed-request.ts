// A request whose body a test sends in parts and may leave unfinished: only written bytes are sent, and nothing ends
// by itself.

import { request } from "node:http"

export interface StreamedRequest {
  /** Sends some bytes. Settles when they left this process, or could not. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Ends the body. */
  readonly end: () => void
  /** The status of the answer; undefined when the connection broke before it. */
  readonly answered: Promise<number | undefined>
}

export const beginRequest = (
  address: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {}
): StreamedRequest => {
  const outgoing = request(`http://${address}${path}`, { method, headers, agent: false })
  const answered = new Promise<number | undefined>((resolve) => {
    outgoing.once("response", (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    outgoing.on("error", () => resolve(undefined))
    outgoing.once("close", () => resolve(undefined))
  })
  outgoing.flushHeaders()
  return {
    write: (bytes) => new Promise((resolve) => outgoing.write(bytes, () => resolve())),
    end: () => outgoing.end(),
    answered
  }
}
