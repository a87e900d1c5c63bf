// What `shoal measure` refuses before anything runs. Pure: each check gives the reason in a line, or undefined.

import { Schema } from "effect"
import { byteSizeText } from "../../experiments/engine/option-text.ts"
import { limits } from "../protocol/limits.ts"

const sizeText = Schema.encodeSync(byteSizeText)

/** A leaf of the hash tree: pieces are whole ones. */
const leastPiece = 16 * 1024

export const missingName = (file: string): string =>
  `--name is missing: the measurement is kept under it in ${file}, for the report of sim-versus-net; one of the same ` +
  "name is replaced"

/** A bucket that holds the whole blob never limits anything. */
export const burstRefusal = (size: number, burst: number): string | undefined =>
  size > burst
    ? undefined
    : `--burst ${sizeText(burst)}: the whole blob of ${sizeText(size)} fits into it, so that no limit would be measured; ` +
      "take a smaller --burst or a larger --size"

export const piecesRefusal = (pieceLength: number | undefined): string | undefined =>
  pieceLength === undefined ||
  (pieceLength >= leastPiece &&
    pieceLength <= limits.maxPieceLength &&
    Number.isInteger(Math.log2(pieceLength)))
    ? undefined
    : `--pieces ${sizeText(pieceLength)}: expected a power of two from ${sizeText(leastPiece)} to ` +
      `${sizeText(limits.maxPieceLength)}`

export const runsRefusal = (runs: number): string | undefined =>
  runs >= 1 ? undefined : `--runs ${runs}: expected at least 1`
