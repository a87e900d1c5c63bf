// How configurations name hosts, listeners and the addresses of other roles: names, IPv4 and IPv6 alike. Part of every
// role's schema; knows no role.

import { Schema, SchemaGetter } from "effect"
import { defaultTo } from "./numbers.ts"

const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** "http://host:port", "http://[::1]:port"; no path, no credentials. */
export const HttpUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/(?:\[[0-9a-fA-F:.]+\]|[^/\s:@[\]?#]+)(?::[0-9]{1,5})?\/?$/)
)

/** A name or an address; an IPv6 address may stand in brackets, as in a URL. */
const Host = Schema.String.pipe(
  Schema.decode({
    decode: SchemaGetter.transform((text: string) => text.replace(/^\[(.*)\]$/, "$1")),
    encode: SchemaGetter.transform((text: string) => text)
  })
)
const BoundHost = defaultTo(Host, "127.0.0.1")

/** Where a listener binds. Port 0 lets the system choose. */
export const Listen = Schema.Struct({
  host: BoundHost,
  port: Port
})

/** The peer listener: bound like any other; `advertise` is the host that other peers are told, if it differs. */
export const PeerListen = Schema.Struct({
  host: BoundHost,
  port: Port,
  advertise: Schema.optionalKey(Host)
})

/** A failure domain as operators name it: a rack, a row, an availability zone. */
export const ZoneName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/))
