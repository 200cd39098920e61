/** Runs commands from a seed against a store and the oracle, and says where they differ first, in as few commands as it can. */
import { assert } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Result, type Scope } from "effect"
import { AccountId } from "../../src/Account.ts"
import { keyOf } from "../../src/Entry.ts"
import { HoldId, partsOf } from "../../src/Hold.ts"
import type { LedgerError } from "../../src/LedgerError.ts"
import type { LedgerStore, Outcome } from "../../src/LedgerStore.ts"
import { ask } from "./Acts.ts"
import * as Generator from "./Generator.ts"
import * as Invariants from "./Invariants.ts"
import type { Answer, Asked, Books, Part } from "./Shapes.ts"

/** A store that was never used, and its clock. */
export interface Subject {
  readonly store: LedgerStore["Service"]
  readonly setClock: (ms: number) => Effect.Effect<unknown, LedgerError>
  /** All accounts are compared after so many batches, and in the end. */
  readonly compareEvery: number
}
export type MakeSubject = Effect.Effect<Subject, LedgerError, Scope.Scope>

type Step = Generator.Step

/** Where a store did not do what the oracle says. */
export class Differs extends Data.TaggedError("Differs")<{
  readonly step: number
  readonly what: string
  readonly message: string
}> {}

const empty = (): Books => ({
  nowMs: 0,
  accounts: new Map(),
  holds: new Map(),
  payouts: new Map(),
  times: new Map(),
  keys: new Map(),
  attached: [],
  why: [],
})

/** An outcome as the oracle says it. What is not in its words, it does not know. */
const say = (outcome: Outcome): string => {
  const again = "replayed" in outcome && outcome.replayed ? " again" : ""
  switch (outcome._tag) {
    case "Posted":
      return `Posted${again} ${outcome.sequence}`
    case "Renewed":
      return `Renewed ${outcome.count}`
    case "Held":
      return `Held${again} ${outcome.available}`
    case "Grown":
      return `Grown${again} ${outcome.amount} ${outcome.available}`
    case "Expired":
      return `Expired ${outcome.holds.join(" ")}`
    case "PayoutBegun": {
      const { payout } = outcome
      if (payout === null) return "PayoutBegun nothing"
      return again === "" ? `PayoutBegun ${payout.hold} ${payout.amount}` : `PayoutBegun again ${payout.hold}`
    }
    case "Linked":
      return outcome.outcomes.map(say).join(", ")
    case "Previewed":
      return say(outcome.preview.outcome)
    default:
      return `${outcome._tag}${again}`
  }
}

const reasonOf = ({ reason }: LedgerError): string =>
  reason._tag === "LinkRefused" ? `${reason.index} ${reason.cause._tag}` : reason._tag

/** The number of an act is not in its outcome. */
const unnumbered = (said: string): string =>
  said.replaceAll(/(Opened|TermsSet|PeriodClosed|PeriodSealed)( again)? \d+/g, "$1$2")

const isRight = (expected: Answer, found: Result.Result<Outcome, LedgerError>): boolean =>
  typeof expected === "string"
    ? Result.isSuccess(found) && say(found.success) === unnumbered(expected)
    : Result.isFailure(found) && expected.includes(reasonOf(found.failure))

const show = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}n` : item)) ?? "nothing"

const compareAccounts = Effect.fnUntraced(function* (store: LedgerStore["Service"], books: Books) {
  const accounts = yield* store.accounts()
  assert.strictEqual(accounts.length, books.accounts.size, "how many accounts there are")
  for (const { id, ...account } of accounts) assert.deepStrictEqual(account, books.accounts.get(id), id)
})

/** A preview shows each account that would change, before and after. */
const comparePreview = (outcome: Outcome, command: Asked, books: Books): void => {
  if (outcome._tag !== "Previewed" || command._tag !== "Preview") return
  const [, after] = ask(books, command.command)
  const shown = new Map(outcome.preview.accounts.map((pair) => [pair.after.id, pair]))
  for (const [id, account] of after.accounts) {
    const { before: was, after: is } = shown.get(AccountId.make(id)) ?? { before: account, after: account }
    if (show(account) !== show(books.accounts.get(id) ?? null))
      assert.isTrue(shown.has(AccountId.make(id)), `${id} is shown`)
    if (!shown.has(AccountId.make(id))) continue
    assert.deepStrictEqual<unknown>(is, { id, ...account })
    assert.deepStrictEqual<unknown>(was, books.accounts.has(id) ? { id, ...books.accounts.get(id) } : null)
  }
}

const sumOf = (parts: ReadonlyArray<Part>, of: "amount" | "drawn") => parts.reduce((sum, part) => sum + part[of], 0n)

const compareAll = Effect.fnUntraced(function* (store: LedgerStore["Service"], books: Books) {
  yield* compareAccounts(store, books)
  const holds = new Map(
    (yield* store.holds({ ids: [...books.holds.keys()].map((id) => HoldId.make(id)) })).map((hold) => [hold.id, hold]),
  )
  assert.strictEqual(holds.size, books.holds.size, "how many holds there are")
  for (const [id, { asked, claimed, owner, parts, state, untilMs }] of books.holds) {
    const found = holds.get(HoldId.make(id)) ?? assert.fail(`there is no ${id}`)
    const first = JSON.stringify([`${found.asked ?? found.amount}`, found.owner, found.definitionDigest])
    const told = [first, found.account, found.amount, found.claimed, found.drawn, found.state, partsOf(found)]
    const [amount, drawn] = [sumOf(parts, "amount"), sumOf(parts, "drawn")]
    const leaseMs = Math.max(untilMs, books.times.get(owner) ?? 0)
    assert.strictEqual(found.expiresAtMs, untilMs === Infinity ? null : leaseMs, `when ${id} expires`)
    assert.deepStrictEqual<unknown>(told, [asked, parts[0]?.account, amount, claimed, drawn, state, parts], id)
  }
  for (const account of books.payouts.keys()) {
    const payouts = yield* store.history("payouts", { after: 0n, limit: 1_000, account: AccountId.make(account) })
    Invariants.checkPayouts(payouts, new Map([...books.holds].map(([id, { state }]) => [id, state])))
    assert.strictEqual(payouts.at(-1)?.hold, HoldId.make(books.payouts.get(account)?.hold ?? ""))
  }
  const { entries } = yield* Invariants.check(store)
  assert.deepStrictEqual(entries.map(keyOf), [...books.keys.keys()], "the keys of all entries, in order")
  for (const entry of entries) {
    const known = books.keys.get(keyOf(entry)) ?? assert.fail()
    if (entry._tag === "Posted") {
      const { effectiveAtMs = entry.postedAtMs, ...posting } = known.posting ?? assert.fail()
      const { effectiveAtMs: _, ...found } = entry.posting
      assert.deepStrictEqual<unknown>(found, { ...posting, attachments: [] })
      assert.strictEqual(entry.effectiveAtMs, effectiveAtMs, `when ${keyOf(entry)} counts`)
    } else assert.strictEqual(entry.act._tag, known.done)
  }
  const attached = yield* store.history("attachments", { after: 0n, limit: 100_000 })
  assert.deepStrictEqual(
    attached.map(({ attachment: { body, kind } }) => JSON.stringify({ kind, body })),
    books.attached,
  )
})

/** What went wrong in it is where they differ; a store that does not answer is something else. */
const orDiffers = <A, E, R>(step: number, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Differs, R> =>
  Effect.catchDefect(effect, (defect) =>
    Effect.fail(
      new Differs({ step, what: "the books", message: defect instanceof Error ? defect.message : String(defect) }),
    ),
  )

/** Commits step by step; `next` chooses each by what the books are then. Answers what was found in the end. */
const replay = Effect.fnUntraced(function* (
  { compareEvery, setClock, store }: Subject,
  next: (books: Books) => Step | undefined,
  tally: Map<string, number>,
) {
  let books = empty()
  let step = 0
  for (let made = next(books); made !== undefined; made = next(books)) {
    const { clockMs, commands } = made
    step += 1
    books = { ...books, nowMs: Math.max(books.nowMs, clockMs) }
    yield* setClock(clockMs)
    const found = yield* orDiffers(step, store.commit(commands))
    for (const [at, command] of commands.entries()) {
      const [expected, after] = ask(books, command)
      const answer = found[at]
      if (answer === undefined || !isRight(expected, answer)) {
        const told =
          answer === undefined
            ? "nothing"
            : Result.isFailure(answer)
              ? `${reasonOf(answer.failure)}: ${answer.failure.message}`
              : say(answer.success)
        const message = `${show(command)}\n  should be answered by ${show(expected)}\n  and was by           ${told}`
        return yield* new Differs({ step, what: command._tag, message })
      }
      if (Result.isSuccess(answer) && answer.success._tag === "Previewed") {
        yield* orDiffers(
          step,
          Effect.sync(() => comparePreview(answer.success, command, books)),
        )
      }
      books = after
      const word =
        typeof expected === "string"
          ? (expected.split(/[ ,]/)[0] ?? "")
          : reasonOf(Result.isFailure(answer) ? answer.failure : assert.fail())
      tally.set(word, (tally.get(word) ?? 0) + 1)
    }
    if (step % compareEvery === 0) yield* orDiffers(step, compareAccounts(store, books))
  }
  yield* orDiffers(step, compareAll(store, books))
})

/** So often the failing commands are tried with fewer of them: `MODEL_TRIES=<count>`. */
const TRIES = Number(process.env["MODEL_TRIES"] ?? 500)

const listed = (steps: ReadonlyArray<Step>) => {
  let at = 0
  return () => steps[at++]
}

const failureOf = (make: MakeSubject, steps: ReadonlyArray<Step>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const exit = yield* Effect.exit(replay(yield* make, listed(steps), new Map()))
      if (Exit.isSuccess(exit)) return undefined
      const error = Cause.findErrorOption(exit.cause)
      return error._tag === "Some" && error.value instanceof Differs ? error.value : undefined
    }),
  )

/** One command, and the step that it is in. */
interface Unit {
  readonly step: Step
  readonly command: Asked
}

const apart = (steps: ReadonlyArray<Step>): ReadonlyArray<Unit> =>
  steps.flatMap((step) => step.commands.map((command) => ({ step, command })))

const together = (units: ReadonlyArray<Unit>): ReadonlyArray<Step> =>
  [...Map.groupBy(units, ({ step }) => step)].map(([{ clockMs }, of]) => ({
    clockMs,
    commands: of.map(({ command }) => command),
  }))

/** Leaves out parts of the commands, smaller and smaller ones, as long as something still differs. */
const shrink = Effect.fnUntraced(function* (make: MakeSubject, steps: ReadonlyArray<Step>, first: Differs) {
  let [least, found, left] = [apart(steps.slice(0, first.step)), first, TRIES]
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < least.length && left > 0; left--) {
      const fewer = least.toSpliced(from, size)
      const differs = yield* failureOf(make, together(fewer))
      if (differs === undefined) from += size
      else [least, found] = [fewer, differs]
    }
  }
  return { least: together(least), found }
})

/**
 * Runs `count` commands of a seed, without seals where somebody will verify them: what they say here is made up.
 * It dies with the seed and the shortest failing steps that it finds. Counts the answers.
 */
export const run = Effect.fnUntraced(function* (
  make: MakeSubject,
  seed: number,
  count: number,
  tally: Map<string, number> = new Map(),
  seals = true,
) {
  const generator = Generator.make(seed)
  const steps: Array<Step> = []
  let left = count
  const next = (books: Books): Step | undefined => {
    if (left <= 0) return undefined
    const size = Math.min(left, generator.size())
    const commands: ReadonlyArray<Asked> =
      steps.length === 0 ? generator.opening() : Array.from({ length: size }, () => generator.command(books))
    // Where an owner is renewed in the same batch, at most as many as were asked for expire, and maybe fewer.
    const isLimited = commands.some((command) => command._tag === "Expire" && command.limit < 1_000)
    const kept = commands.filter(({ _tag }) => (_tag !== "SealPeriod" || seals) && (_tag !== "Renew" || !isLimited))
    const step = { clockMs: generator.clock(), commands: kept }
    left -= commands.length
    steps.push(step)
    return step
  }
  const result = yield* Effect.scoped(Effect.result(Effect.flatMap(make, (subject) => replay(subject, next, tally))))
  if (Result.isSuccess(result)) return tally
  if (!(result.failure instanceof Differs)) return yield* Effect.die(result.failure)
  const { found, least } = yield* shrink(make, steps, result.failure)
  const lines = least.map(({ clockMs, commands }) => `  at ${clockMs}: ${commands.map(show).join("\n    ")}`)
  return yield* Effect.die(
    new Error(`Seed ${seed} differs at ${found.what}: ${found.message}\nin these steps:\n${lines.join("\n")}`),
  )
})
