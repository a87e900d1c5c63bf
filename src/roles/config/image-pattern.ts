// Image patterns in configurations, which say which tags are immutable, retained or preheated. The schema knows no
// role.

import { Schema } from "effect"
import { isImagePattern } from "../oci/image-pattern.ts"

export const ImagePattern = Schema.String.check(
  Schema.makeFilter(
    (text) =>
      isImagePattern(text) || 'a pattern such as "demo/*" or "library/**:v1*": a repository, perhaps a tag'
  )
).annotate({ title: "image pattern" })
