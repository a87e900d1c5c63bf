// Test parser of multipart/byteranges bodies, written from RFC 2046 and RFC 9110 and independent of the code that
// makes such bodies.

export interface ReceivedPart {
  readonly start: number
  readonly end: number
  readonly length: number
  readonly bytes: Uint8Array
}

/** The parts of a body; throws if the body does not match its Content-Type. */
export const receivedParts = (
  contentType: string | undefined,
  body: Uint8Array
): ReadonlyArray<ReceivedPart> => {
  const boundary = /^multipart\/byteranges; boundary="?([^"]{1,70})"?$/.exec(contentType ?? "")?.[1]
  if (boundary === undefined) throw new Error(`not multipart/byteranges: ${contentType}`)
  const text = (from: number, to: number) => new TextDecoder().decode(body.subarray(from, to))
  const parts: ReceivedPart[] = []
  // The line break before a boundary belongs to it; the first boundary may have none.
  let delimiter = `--${boundary}`
  for (let at = 0; ; ) {
    const after = at + delimiter.length
    if (text(at, after) !== delimiter) throw new Error(`no boundary after part ${parts.length}`)
    if (body.byteLength === after + 4 && text(after, after + 4) === "--\r\n") return parts
    const [head = ""] = text(after, after + 400).split("\r\n\r\n", 1)
    const range = /\r\ncontent-range: bytes (\d+)-(\d+)\/(\d+)/i.exec(head)
    if (!head.startsWith("\r\n") || range === null) throw new Error(`a part without its range: ${head}`)
    const [start, end, length] = [Number(range[1]), Number(range[2]) + 1, Number(range[3])]
    const from = after + head.length + 4
    parts.push({ start, end, length, bytes: body.subarray(from, from + end - start) })
    at = from + end - start
    delimiter = `\r\n--${boundary}`
  }
}
