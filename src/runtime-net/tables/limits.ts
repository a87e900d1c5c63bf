// Limits of the tables of a real host. Each line states the unit and the trade-off.

import { Context } from "effect"
import { seconds } from "../../protocol/kit/time.ts"

const tableLimits = {
  /**
   * Time that a write waits while another process, such as a backup, locks the tables. The thread stands still, so a
   * longer wait would look like a host that is gone.
   */
  tableLockPatience: seconds(5)
}

export type TableLimits = Readonly<typeof tableLimits>

/** The limits that tables read when they are opened. Tests provide others. */
export const TableLimits: Context.Reference<TableLimits> = Context.Reference(
  "shoal/runtime-net/tables/TableLimits",
  {
    defaultValue: () => tableLimits
  }
)
