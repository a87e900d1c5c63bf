// The pieces of a store that came or were read last, in memory: the client that waits for a piece, the digest of the
// whole and the neighbours that ask for it want it within moments, and need not read it again.
//
// Invariants: no more than maxRecentBytes, the oldest goes first; nothing is kept once no piece came for a while. The
// bytes are held here (piece-buffer.ts), so nobody writes into them. It does not know whether a piece is right.

import { holdBytes, releaseBytes } from "../platform/piece-buffer.ts"
import type { StoreLimits } from "./limits.ts"

/** The recent pieces of one file. */
export interface RecentPiecesOfFile {
  /** The bytes of a piece, held for the caller. */
  readonly take: (piece: number) => Uint8Array | undefined
  readonly keep: (piece: number, bytes: Uint8Array) => void
}

export interface RecentPieces {
  readonly ofFile: () => RecentPiecesOfFile
}

export const makeRecentPieces = ({ maxRecentBytes, recentPiecesKept }: StoreLimits): RecentPieces => {
  /** By file and piece, the oldest first. */
  const pieces = new Map<string, Uint8Array>()
  let held = 0
  let files = 0
  let forgetting: NodeJS.Timeout | undefined
  let wasKept = false

  const drop = (key: string, bytes: Uint8Array): void => {
    pieces.delete(key)
    held -= bytes.length
    releaseBytes(bytes)
  }

  const forgetLater = (): void => {
    forgetting = setTimeout(() => {
      forgetting = undefined
      if (wasKept) forgetLater()
      else for (const [key, bytes] of pieces) drop(key, bytes)
      wasKept = false
    }, recentPiecesKept / 1000).unref()
  }

  return {
    ofFile: () => {
      const file = files++
      return {
        take: (piece) => {
          const bytes = pieces.get(`${file} ${piece}`)
          if (bytes !== undefined) holdBytes(bytes)
          return bytes
        },
        keep: (piece, bytes) => {
          const key = `${file} ${piece}`
          if (bytes.length > maxRecentBytes || pieces.has(key)) return
          holdBytes(bytes)
          pieces.set(key, bytes)
          held += bytes.length
          wasKept = true
          if (forgetting === undefined) forgetLater()
          for (const [oldest, old] of pieces) {
            if (held <= maxRecentBytes) break
            drop(oldest, old)
          }
        }
      }
    }
  }
}
