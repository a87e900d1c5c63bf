// The queue of fibers that are ready to run, and the dispatcher of every fiber of a simulation. A lower priority
// number goes first, as in Effect's own scheduler; within a priority, the order is first come, first served.

import type { Scheduler } from "effect"

export class ReadyQueue implements Scheduler.SchedulerDispatcher {
  // Nearly every task has priority 0, which therefore has its own queue.
  #tasks: Array<(() => void) | undefined> = []
  #head = 0
  readonly #others: Array<{ readonly priority: number; readonly task: () => void }> = []

  scheduleTask(task: () => void, priority: number): void {
    if (priority === 0) {
      this.#tasks.push(task)
      return
    }
    let at = this.#others.length
    while (at > 0 && this.#others[at - 1]!.priority > priority) at--
    this.#others.splice(at, 0, { priority, task })
  }

  /** The next task, or undefined when every fiber waits. */
  take(): (() => void) | undefined {
    const others = this.#others
    if (others.length > 0 && (others[0]!.priority < 0 || this.#head === this.#tasks.length)) {
      return others.shift()!.task
    }
    if (this.#head === this.#tasks.length) return undefined
    const task = this.#tasks[this.#head]
    this.#tasks[this.#head++] = undefined
    if (this.#head === this.#tasks.length) {
      this.#tasks.length = 0
      this.#head = 0
    } else if (this.#head > 4096) {
      this.#tasks.splice(0, this.#head)
      this.#head = 0
    }
    return task
  }

  flush(): void {
    for (let task = this.take(); task !== undefined; task = this.take()) task()
  }
}
