// Speaks HTTP byte by byte for tests: one connection, exactly the given bytes, everything that the server sends, and
// whether it closed.

import net from "node:net"
import { Effect } from "effect"

export interface RawConnection {
  readonly socket: net.Socket
  readonly write: (bytes: string | Uint8Array) => void
  /** Everything received until the server closed the connection. */
  readonly closed: Effect.Effect<string>
  /** Everything received until it contained `text`. */
  readonly until: (text: string) => Effect.Effect<string>
}

/** Bytes are Latin-1 in both directions. The connection is destroyed with the scope. */
export const rawConnection = (port: number, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.callback<RawConnection>((resume) => {
      const socket = net.connect({ port, host, allowHalfOpen: true })
      let received = ""
      let isClosed = false
      const looks = new Set<() => void>()
      const look = () => {
        for (const each of [...looks]) each()
      }
      socket.setEncoding("latin1").on("data", (text) => {
        received += text
        look()
      })
      // A reset is also a close. The bytes before it count.
      socket.on("error", () => {})
      socket.on("end", () => socket.end())
      socket.on("close", () => {
        isClosed = true
        look()
      })
      const when = (done: () => boolean) =>
        Effect.callback<string>((answer) => {
          const each = () => {
            if (!done()) return
            looks.delete(each)
            answer(Effect.succeed(received))
          }
          looks.add(each)
          each()
          return Effect.sync(() => looks.delete(each))
        })
      socket.once("connect", () =>
        resume(
          Effect.succeed({
            socket,
            write: (bytes) =>
              void (typeof bytes === "string" ? socket.write(bytes, "latin1") : socket.write(bytes)),
            closed: when(() => isClosed),
            until: (text) => when(() => isClosed || received.includes(text))
          })
        )
      )
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** Sends `bytes` on a new connection. Returns everything received until the server closed it. */
export const rawExchange = (port: number, bytes: string): Effect.Effect<string> =>
  Effect.scoped(
    Effect.flatMap(rawConnection(port), (connection) => {
      connection.write(bytes)
      return connection.closed
    })
  )
