// Send buffers of sockets: the sender of a bulk frame is told that it has left as soon as the kernel of its host would
// have taken it, which is when all but `bytes` of the connection's bulk, up to the end of this frame, have left. So a
// sender believes that it is through before its frames are on the link, as on real sockets. The links are not affected.
//
// A frame counts as under way until its last byte has left, so a frame that is longer than the buffer is reported when
// it has left. Control frames and frames between two listeners of one host are not buffered.
//
// Invariants: frames are reported in the order in which they were sent, from events only, and not after their
// connection has ended.

import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel } from "../kernel/kernel.ts"
import { type ConnectionEnd, type Frame, frameFlags, isDead } from "./connection.ts"

const taken = eventKinds.network + 8

export class SocketBuffers implements EventTarget {
  readonly #kernel: Kernel
  readonly #bytes: number

  constructor(kernel: Kernel, bytes: number) {
    this.#kernel = kernel
    this.#bytes = bytes
  }

  /** A bulk frame is about to be sent. If it is to be reported, that is done here. */
  queue(from: ConnectionEnd, frame: Frame): void {
    from.sendBuffer ??= { queued: 0, left: 0, waiting: [], isTaking: false }
    const buffer = from.sendBuffer
    buffer.queued += frame.size
    if ((frame.flags & frameFlags.reportSent) === 0) return
    frame.flags &= ~frameFlags.reportSent
    buffer.waiting.push({ payload: frame.payload, end: buffer.queued })
    if (buffer.isTaking || buffer.queued - buffer.left > this.#bytes) return
    buffer.isTaking = true
    this.#kernel.schedule(this.#kernel.now, this, taken, from.hostIndex, from)
  }

  /** `size` bytes of bulk have left this end. */
  left(from: ConnectionEnd, size: number): void {
    from.sendBuffer!.left += size
    this.#take(from)
  }

  fire(_kind: number, subject: unknown): void {
    const from = subject as ConnectionEnd
    from.sendBuffer!.isTaking = false
    this.#take(from)
  }

  /** Reports the frames that are in the buffer or have left. The sender may send, close or reset meanwhile. */
  #take(from: ConnectionEnd): void {
    const { waiting } = from.sendBuffer!
    while (!isDead(from.peer)) {
      const next = waiting[0]
      if (next === undefined || next.end - from.sendBuffer!.left > this.#bytes) return
      waiting.shift()
      from.sink.sent(next.payload)
    }
  }
}
