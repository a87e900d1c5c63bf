// Flash crowds that `npm run bench` measures: a row of clusters that grow by hosts, one that grows by bytes, and the
// four sizes for which the project promises a speed, with the promised limits. Plain data.

import { limits } from "../../src/protocol/limits.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"

export interface BenchPoint {
  readonly label: string
  /** The most seconds of wall time and bytes of memory; absent where only completing counts. */
  readonly limit?: { readonly seconds?: number; readonly memory?: number }
  readonly spec: FlashCrowd
}

const GB = 1e9
const MB = 1e6
const GiB = 2 ** 30
const krakenPiece = 4 * MB

interface Size {
  readonly agents: number
  readonly blobs: number
  /** Bytes of one blob. */
  readonly bytes: number
  readonly pieceLength: number
}

/** Kraken's links, origins and trackers. Virtual time is not limited: the bench measures the speed of the simulator. */
const specOf = ({ agents, blobs, bytes, pieceLength }: Size): FlashCrowd => {
  const blob = (index: number) => ({ name: `bench ${index + 1}`, length: bytes, pieceLength })
  return {
    seed: 1,
    agents,
    origins: 5,
    trackers: 5,
    blobs: [blob(0), ...Array.from({ length: blobs - 1 }, (_, index) => blob(index + 1))],
    links: { model: "fair", rate: 3e8, burst: 0, latency: 500 },
    patience: 3_600_000_000
  }
}

const growing = (agents: number, pieces: number): BenchPoint => ({
  label: `${agents} agents, ${pieces} pieces`,
  spec: specOf({ agents, blobs: 1, bytes: pieces * krakenPiece, pieceLength: krakenPiece })
})

const [fewAgents, fewPieces] = [250, 128]

/** More and more agents, with equally many pieces. */
export const overAgents: ReadonlyArray<BenchPoint> = [125, fewAgents, 500, 1000].map((agents) =>
  growing(agents, fewPieces)
)

/** More and more pieces, with equally many agents. */
export const overBytes: ReadonlyArray<BenchPoint> = [64, fewPieces, 256, 512].map((pieces) =>
  growing(fewAgents, pieces)
)

const small = 4 * MB

/** Sizes with a speed that the project promises on one core of a small machine. */
export const promised: ReadonlyArray<BenchPoint> = [
  {
    label: "Kraken's test: 2,600 agents, two blobs of 1.5 GB, 4 MB pieces",
    limit: { seconds: 120, memory: 3 * GiB },
    spec: specOf({ agents: 2600, blobs: 2, bytes: 1.5 * GB, pieceLength: krakenPiece })
  },
  {
    label: "10,000 agents, 1 GB, 4 MB pieces",
    limit: { seconds: 180 },
    spec: specOf({ agents: 10_000, blobs: 1, bytes: GB, pieceLength: krakenPiece })
  },
  {
    label: "15,000 agents, 1 GB, 4 MB pieces",
    limit: {},
    spec: specOf({ agents: 15_000, blobs: 1, bytes: GB, pieceLength: krakenPiece })
  },
  {
    label: `100,000 agents, 4 MB, pieces of ${limits.minPieceLength / 1024} KiB`,
    limit: { memory: 8 * GiB },
    spec: specOf({ agents: 100_000, blobs: 1, bytes: small, pieceLength: choosePieceLength(small) })
  }
]

/** Number of pieces that agents have to store. */
export const transfersOf = ({ spec: { agents, blobs } }: BenchPoint): number =>
  agents * blobs.reduce((sum, { length, pieceLength }) => sum + Math.ceil(length / pieceLength), 0)
