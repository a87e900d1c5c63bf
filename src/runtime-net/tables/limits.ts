// Limits of the tables of a real host. Each line states the unit and the trade-off.

import { Context } from "effect"
import { seconds } from "../../protocol/kit/time.ts"

const tableLimits = {
  /**
   * Time that a write waits while another process, such as a backup, locks the tables. The thread stands still, so a
   * longer wait would look like a host that is gone.
   */
  tableLockPatience: seconds(5),
  /** Writes that wait for a sync. One more fails at once, as a disk that is this far behind does not catch up soon. */
  maxTableWritesWaiting: 4_096,
  /** Writes that share a sync, at 50 microseconds of this thread each. More wait for the next one. */
  maxTableWritesPerSync: 256,
  /**
   * Pages of 4 KiB in the log before it is copied into the table file, which costs two syncs. A longer log takes longer
   * to copy, which this thread does (1 ms), and to read at the start after a crash.
   */
  maxTableLogPages: 256
}

export type TableLimits = Readonly<typeof tableLimits>

/** The limits that tables read when they are opened. Tests provide others. */
export const TableLimits: Context.Reference<TableLimits> = Context.Reference(
  "shoal/runtime-net/tables/TableLimits",
  {
    defaultValue: () => tableLimits
  }
)
