// The hosts, listeners and addresses of other roles in a configuration: names, IPv4 and IPv6 alike. Part of every
// role's schema. It knows no role.

import { Schema, SchemaGetter } from "effect"
import { optional, required, withDefault } from "./keys.ts"

const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })).annotate({ title: "port" })

/** "http://host:port" or "http://[::1]:port", without a path and credentials. */
export const HttpUrl = Schema.String.check(
  Schema.isPattern(
    /^https?:\/\/(?:\[[0-9a-fA-F:.]+\]|[^/\s:@[\]?#]+)(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?\/?$/
  )
).annotate({ title: "URL" })

/** A name or an address. An IPv6 address may have brackets, as in a URL. */
const Host = Schema.String.check(Schema.isPattern(/^\S+$/))
  .pipe(
    Schema.decode({
      decode: SchemaGetter.transform((text: string) => text.replace(/^\[(.*)\]$/, "$1")),
      encode: SchemaGetter.transform((text: string) => text)
    })
  )
  .annotate({ title: "host" })

const listenKeys = {
  host: withDefault(Host, "127.0.0.1", "The name or address to bind"),
  port: required(Port, "The port to bind; 0 lets the system choose")
}

/** The address that a listener binds. */
export const Listen = Schema.Struct(listenKeys)

/** The peer listener, which binds like any other. */
export const PeerListen = Schema.Struct({
  ...listenKeys,
  advertise: optional(Host, "The host that other peers connect to, if it differs from the bound one")
})

/** A failure domain as operators name it: a rack, a row, an availability zone. */
export const ZoneName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)).annotate({
  title: "name"
})
