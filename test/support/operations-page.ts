// The files that docs/operations.md tells people to write, word for word, with the addresses of the test in place of
// the example ones. A page that does not say what works fails its test.

import { readFileSync } from "node:fs"
import { join } from "node:path"

export interface Addresses {
  /** "HOST:PORT" for registry.example:15000. */
  readonly proxy: string
  /** "HOST:PORT" for 127.0.0.1:16000. */
  readonly agent: string
}

/** The block that a page of this repository shows for the file of this name, the first one after the heading. */
export const fileShown = (page: string, path: string, heading = "# "): string => {
  const text = readFileSync(join(import.meta.dirname, "..", "..", page), "utf8")
  const at = text.indexOf(`\`${path}\``, text.indexOf(heading))
  const block = /```\w*\n([\s\S]*?)```/.exec(at < 0 ? "" : text.slice(at))
  if (block === null) throw new Error(`${page} shows no ${path}`)
  return block[1]!
}

/** The file of docs/operations.md for these addresses. */
export const operationsFile = (path: string, { proxy, agent }: Addresses, heading?: string): string =>
  fileShown("docs/operations.md", path, heading)
    .replaceAll("registry.example:15000", proxy)
    .replaceAll("127.0.0.1:16000", agent)
