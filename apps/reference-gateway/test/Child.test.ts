import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Scope } from "effect"
import * as Child from "../src/Child.ts"
import * as ProcessTable from "../src/ProcessTable.ts"

const shell = (script: string, changes: Partial<Child.ChildOptions> = {}): Child.ChildOptions => ({
  name: "test",
  command: "/bin/sh",
  args: ["-c", script],
  output: { onLine: () => undefined },
  stop: [{ signal: "SIGTERM", waitMs: 2_000 }],
  force: "SIGKILL",
  ...changes,
})

/** Starts a child and waits for its first line. */
const startSpeaking = Effect.fnUntraced(function* (script: string, changes: Partial<Child.ChildOptions> = {}) {
  const spoken = yield* Deferred.make<string>()
  const onLine = (line: string) => void Deferred.doneUnsafe(spoken, Effect.succeed(line))
  const child = yield* Child.start(shell(script, { ...changes, output: { onLine } }))
  return { child, line: yield* Deferred.await(spoken) }
})

describe("Child", () => {
  it.live("passes its lines on, cut to a limit, and tells how it ended", () =>
    Effect.gen(function* () {
      const { child, line } = yield* startSpeaking("printf 'x%.0s' $(seq 20000); echo; exit 3")
      assert.isBelow(line.length, 8_200)
      assert.deepStrictEqual(yield* child.exit, { code: 3, signal: null })
    }),
  )

  it.live("closing the scope asks it to end and waits until it is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { child } = yield* Scope.provide(startSpeaking("trap 'exit 0' TERM; echo on; sleep 100 & wait"), scope)
      yield* Scope.close(scope, Exit.void)
      assert.isUndefined(ProcessTable.identity(child.pid))
      assert.deepStrictEqual(yield* child.exit, { code: 0, signal: null })
    }),
  )

  it.live("one that does not listen is killed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const stop = [{ signal: "SIGTERM", waitMs: 100 }] as const
      const script = "trap '' TERM; echo on; while :; do sleep 1; done"
      const { child } = yield* Scope.provide(startSpeaking(script, { stop }), scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* child.exit, { code: null, signal: "SIGKILL" })
    }),
  )

  it.live("a signal reaches the children it has started, too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { line } = yield* Scope.provide(startSpeaking("sleep 100 & echo $!; wait"), scope)
      assert.isDefined(ProcessTable.identity(Number(line)))
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(50).pipe(Effect.repeat({ while: () => ProcessTable.identity(Number(line)) !== undefined }))
    }),
  )

  it.live("a command that does not exist is a letter", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Child.start(shell("", { command: "/does/not/exist" })))
      assert.include(error.message, '"test" could not be started')
      assert.include(error.message, "ENOENT")
    }),
  )

  it.live("a supervised one is started again, until the scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const thrice = yield* Deferred.make<void>()
      let lives = 0
      const start = Effect.suspend(() => {
        lives += 1
        if (lives === 3) Deferred.doneUnsafe(thrice, Effect.void)
        return Child.start(shell(lives < 3 ? "exit 1" : "sleep 100"))
      })
      yield* Scope.provide(Child.supervise({ name: "It", start, maxPauseMs: 10 }), scope)
      yield* Deferred.await(thrice)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(50)
      assert.strictEqual(lives, 3)
    }),
  )

  it.live("a child that ends with its final code is not started again, and says so", () =>
    Effect.gen(function* () {
      let lives = 0
      const start = Effect.suspend(() => {
        lives += 1
        return Child.start(shell(`exit ${lives === 1 ? 1 : 2}`))
      })
      const { gaveUp } = yield* Child.supervise({ name: "It", start, maxPauseMs: 10, finalCode: 2 })
      yield* gaveUp
      assert.strictEqual(lives, 2)
    }),
  )

  it.live("when the first start fails, so does the supervision", () =>
    Effect.gen(function* () {
      const start = Child.start(shell("", { command: "/does/not/exist" }))
      const error = yield* Effect.flip(Child.supervise({ name: "It", start, maxPauseMs: 10 }))
      assert.include(error.message, "could not be started")
    }),
  )
})
