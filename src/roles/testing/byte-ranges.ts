// Decides how a client takes a multipart/byteranges body apart, written from RFC 2046 and 9110 and not from the code
// that puts it together. For tests only.

export interface ReceivedPart {
  readonly start: number
  readonly end: number
  readonly length: number
  readonly bytes: Uint8Array
}

/** The parts of a body; throws where it is not what the Content-Type says. */
export const receivedParts = (
  contentType: string | undefined,
  body: Uint8Array
): ReadonlyArray<ReceivedPart> => {
  const boundary = /^multipart\/byteranges; boundary="?([^"]{1,70})"?$/.exec(contentType ?? "")?.[1]
  if (boundary === undefined) throw new Error(`not multipart/byteranges: ${contentType}`)
  // Latin-1 keeps one character a byte.
  const text = Array.from(body, (byte) => String.fromCharCode(byte)).join("")
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`)
  if (pieces.shift() !== "" || pieces.pop() !== "--\r\n")
    throw new Error("a multipart body begins or ends wrongly")
  return pieces.map((piece) => {
    const split = piece.indexOf("\r\n\r\n")
    const head = piece.slice(0, split)
    const range = /\r\ncontent-range: bytes (\d+)-(\d+)\/(\d+)/i.exec(head)
    if (!piece.startsWith("\r\n") || split < 0 || range === null)
      throw new Error(`a part without its range: ${head}`)
    const bytes = Uint8Array.from(piece.slice(split + 4), (character) => character.charCodeAt(0))
    const [start, end, length] = [Number(range[1]), Number(range[2]) + 1, Number(range[3])]
    if (bytes.byteLength !== end - start) throw new Error(`part ${head} has ${bytes.byteLength} bytes`)
    return { start, end, length, bytes }
  })
}
