// The configuration of a tracker: one schema for a YAML file, a JSON file, flags and a simulated host. An unknown key
// or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { HttpUrl, Listen } from "../config/addresses.ts"
import { required } from "../config/keys.ts"
import { logKey } from "../config/process-keys.ts"

export const TrackerConfig = Schema.Struct({
  ...logKey,
  http: required(Listen, "Where the tracker listens, with /metrics, /health and /readiness"),
  origins: required(Schema.NonEmptyArray(HttpUrl), "The HTTP addresses of the origins")
})
export type TrackerConfig = typeof TrackerConfig.Type

/** The configuration that the settings mean, with all defaults. */
export const trackerConfig = Schema.decodeSync(TrackerConfig)
