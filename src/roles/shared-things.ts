// Decides how a thing is shared that takes time to make: it is made for the first who asks, the same for all who ask
// meanwhile, and given up a while after the last of them has left.
//
//   absent --get--> being made (in a fiber of its own) --made or failed--> there, used by n --the last leaves--> lingers
//      ^                  | interrupted                                              ^            |          |
//      +------------------+----------------------- forget, or its time is over ------|------------+          |
//                                                                                    +---------- get --------+
//
// Effect's RcMap does the same, but copies all services of its maker and of every asker: 2 KB in each agent of a
// simulation of 100,000. Here the thing is made with the asker's services as they are.

import { Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"

interface Entry<Thing, E> {
  readonly made: Deferred.Deferred<Thing, E>
  readonly scope: Scope.Closeable
  users: number
  /** When it is given up, in milliseconds; holds while it has no users. */
  leavesAt: number
  lingering: Fiber.Fiber<void> | undefined
}

export class SharedThings<Thing, E> {
  readonly #entries = new Map<string, Entry<Thing, E>>()
  readonly #linger: Duration.Duration
  readonly #scope: Scope.Scope
  #closed = false

  constructor(linger: Duration.Duration, scope: Scope.Scope) {
    this.#linger = linger
    this.#scope = scope
  }

  /** The thing of that key, for as long as the caller's scope lives; made by `make`, in a scope of its own. */
  get(key: string, make: Effect.Effect<Thing, E, Scope.Scope>): Effect.Effect<Thing, E, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.contextWith((context: Context.Context<Scope.Scope>) => {
        if (this.#closed) return Effect.interrupt
        let entry = this.#entries.get(key)
        if (entry === undefined) entry = this.#make(key, make, context)
        else entry.users++
        const leave = Scope.addFinalizerExit(Context.get(context, Scope.Scope), this.#leaving(key, entry))
        return Effect.andThen(leave, restore(Deferred.await(entry.made)))
      })
    )
  }

  /** Whoever asks next has it made anew; it ends when those who use it have left. */
  forget(key: string): Effect.Effect<void> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        const entry = this.#entries.get(key)
        if (entry === undefined) return Effect.void
        this.#entries.delete(key)
        return entry.users > 0 ? Effect.void : this.#end(entry)
      })
    )
  }

  /** Ends everything; nothing is given any more. */
  close(): Effect.Effect<void> {
    this.#closed = true
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    return Effect.forEach(entries, (entry) => this.#end(entry), { discard: true })
  }

  #make(
    key: string,
    make: Effect.Effect<Thing, E, Scope.Scope>,
    context: Context.Context<Scope.Scope>
  ): Entry<Thing, E> {
    const entry: Entry<Thing, E> = {
      made: Deferred.makeUnsafe<Thing, E>(),
      scope: Scope.makeUnsafe(),
      users: 1,
      leavesAt: 0,
      lingering: undefined
    }
    this.#entries.set(key, entry)
    const fiber = Fiber.runIn(Effect.runForkWith(context)(Scope.provide(make, entry.scope)), entry.scope)
    fiber.addObserver((exit) => {
      if (Exit.hasInterrupts(exit)) this.#dropInterrupted(key, entry)
      Deferred.doneUnsafe(entry.made, exit)
    })
    return entry
  }

  #dropInterrupted(key: string, entry: Entry<Thing, E>): void {
    if (this.#closed || this.#entries.get(key) !== entry) return
    this.#entries.delete(key)
    if (entry.users === 0) Fiber.runIn(Effect.runFork(this.#end(entry)), this.#scope)
  }

  /** Apart, so that a finalizer does not keep how the thing was made. */
  #leaving(key: string, entry: Entry<Thing, E>): () => Effect.Effect<void> {
    return () => this.#leave(key, entry)
  }

  #leave(key: string, entry: Entry<Thing, E>): Effect.Effect<void> {
    entry.users--
    if (entry.users > 0) return Effect.void
    if (this.#closed || this.#entries.get(key) !== entry) return this.#end(entry)
    return Effect.contextWith((context: Context.Context<never>) => {
      const clock = Context.get(context, Clock.Clock)
      entry.leavesAt = clock.currentTimeMillisUnsafe() + Duration.toMillis(this.#linger)
      if (entry.lingering !== undefined) return Effect.void
      const lingering = Effect.ensuring(
        this.#endWhenDue(key, entry, clock),
        Effect.sync(() => {
          entry.lingering = undefined
        })
      )
      entry.lingering = Fiber.runIn(Effect.runForkWith(context)(lingering), this.#scope)
      return Effect.void
    })
  }

  #endWhenDue(key: string, entry: Entry<Thing, E>, clock: Clock.Clock): Effect.Effect<void> {
    const remaining = entry.leavesAt - clock.currentTimeMillisUnsafe()
    if (remaining > 0) {
      return Effect.flatMap(clock.sleep(Duration.millis(remaining)), () =>
        this.#endWhenDue(key, entry, clock)
      )
    }
    return Effect.uninterruptible(
      Effect.suspend(() => {
        if (this.#closed || entry.users > 0 || this.#entries.get(key) !== entry) return Effect.void
        this.#entries.delete(key)
        return Scope.close(entry.scope, Exit.void)
      })
    )
  }

  #end({ lingering, scope }: Entry<Thing, E>): Effect.Effect<void> {
    const close = Scope.close(scope, Exit.void)
    return lingering === undefined ? close : Effect.andThen(Fiber.interrupt(lingering), close)
  }
}
