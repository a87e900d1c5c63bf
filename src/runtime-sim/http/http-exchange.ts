// The common part of both sides of a simulated HTTP exchange: one connection, frames that are numbered for the trace,
// an incoming body and an outgoing body.

import { mixNumbers } from "../kernel/trace.ts"
import type { ConnectionEnd, ConnectionSink } from "../network/connection.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { BodyInbox, BodyOutbox } from "./http-body.ts"
import { type HttpFrame, httpFrameNumber, httpFrameSize } from "./http-frames.ts"

export abstract class HttpExchange implements ConnectionSink {
  readonly process: SimProcess
  readonly inbox: BodyInbox
  end!: ConnectionEnd
  over = false
  readonly #number: number
  #outbox: BodyOutbox | undefined
  /** Why no more of the outgoing body gets through. */
  #broken: string | undefined

  constructor(process: SimProcess) {
    this.process = process
    this.#number = process.connections.nextExchange++
    this.inbox = new BodyInbox(
      (bytes) => this.send({ tag: "Credit", bytes }),
      () => this.bodyTaken()
    )
  }

  /** Made for a body that goes out in chunks. Most bodies fit into the frame of the head. */
  get outbox(): BodyOutbox {
    if (this.#outbox === undefined) {
      this.#outbox = new BodyOutbox((bytes) => this.send({ tag: "Chunk", bytes }))
      if (this.#broken !== undefined) this.#outbox.break(this.#broken)
    }
    return this.#outbox
  }

  /** No more of either body gets through. */
  protected breakBodies(reason: string): void {
    this.#broken ??= reason
    this.#outbox?.break(reason)
    this.inbox.break(reason)
  }

  send(frame: HttpFrame): void {
    if (!this.process.alive || this.over) return
    const mark = mixNumbers(httpFrameNumber(frame), this.#number, 0)
    this.process.connections.send(this.end, frame, httpFrameSize(frame), mark, 0)
  }

  /** Ends the exchange at once. The other side sees a broken connection. */
  abort(reason: string): void {
    if (this.over) return
    this.over = true
    if (this.process.alive) this.process.connections.reset(this.end, reason)
    this.breakBodies(reason)
  }

  /** Ends the exchange in order. */
  finish(): void {
    this.breakOff("the exchange is over")
  }

  /** Sends nothing more. Sent frames arrive, and then the other side sees the connection end. */
  breakOff(reason: string): void {
    if (this.over) return
    this.over = true
    if (this.process.alive) this.process.connections.close(this.end, reason)
  }

  received(payload: unknown): void {
    if (!this.process.alive || this.over) return
    const frame = payload as HttpFrame
    if (frame.tag === "Chunk") this.inbox.push(frame.bytes)
    else if (frame.tag === "End") this.inbox.end()
    else if (frame.tag === "Credit") this.#outbox?.credit(frame.bytes)
    else this.head(frame)
  }

  sent(): void {}

  abstract opened(): void
  abstract refused(reason: string): void
  abstract closed(reason: string): void
  /** The head of the other side arrived. */
  abstract head(frame: HttpFrame): void
  /** The reader has the whole incoming body. */
  abstract bodyTaken(): void
}
