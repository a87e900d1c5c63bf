// Pages of a listing (OCI distribution spec, "Listing Tags"): `n` entries after `last`, which is exclusive, and a
// Link to the next page if there is one. `n=0` is an empty list without a Link.

import type { OciLimits } from "./limits.ts"
import { type OciError, ociError } from "./oci-error.ts"

type Query = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface Page {
  readonly count: number
  readonly last: string | undefined
}

/** The value of a query parameter, or its first value if it occurs several times. */
export const singleParameter = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** Reads `n` and `last`; an `n` above the largest page counts as that. */
export const parsePage = (
  query: Query,
  { defaultPageSize, maxPageSize }: Pick<OciLimits, "defaultPageSize" | "maxPageSize">
): Page | OciError => {
  const n = singleParameter(query.n)
  const last = singleParameter(query.last)
  if (n === undefined) return { count: defaultPageSize, last }
  if (!/^\d+$/.test(n)) {
    return ociError("PAGINATION_NUMBER_INVALID", {
      message: `n is "${n.slice(0, 40)}" but must be a whole number of at least 0`
    })
  }
  return { count: Math.min(Number(n), maxPageSize), last }
}

/** The page of `found`, a listing of up to one entry more than the page holds. */
export const cutPage = (
  path: string,
  page: Page,
  found: ReadonlyArray<string>
): { readonly entries: ReadonlyArray<string>; readonly headers: Readonly<Record<string, string>> } => {
  const entries = found.slice(0, page.count)
  const more = page.count > 0 && found.length > page.count
  const next = more ? `${path}?n=${page.count}&last=${encodeURIComponent(entries.at(-1)!)}` : undefined
  return { entries, headers: next === undefined ? {} : { link: `<${next}>; rel="next"` } }
}
