/**
 * The tests of the contracts, as forge runs them: what each said, and how many calls the invariants were tried with.
 */
import * as Schema from "effect/Schema"
import { forge } from "./Foundry.ts"

const Kind = Schema.Union([
  Schema.Struct({ Invariant: Schema.Struct({ runs: Schema.Int, calls: Schema.Int, reverts: Schema.Int }) }),
  Schema.Struct({ Fuzz: Schema.Struct({ runs: Schema.Int }) }),
  Schema.Struct({ Unit: Schema.Unknown }),
])

/**
 * One test: what it is called, how it ended, and why. `calls` is how many calls an invariant held over, or how many cases a
 * property did; 1 for any other.
 */
export interface ContractTest {
  readonly suite: string
  readonly name: string
  readonly status: "Success" | "Failure" | "Skipped"
  readonly why: string
  readonly isInvariant: boolean
  readonly calls: number
}

const Result = Schema.Struct({
  status: Schema.Literals(["Success", "Failure", "Skipped"]),
  reason: Schema.NullOr(Schema.String),
  counterexample: Schema.Unknown,
  kind: Kind,
})

const Suites = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Struct({ test_results: Schema.Record(Schema.String, Result) })),
)

const callsOf = (kind: typeof Kind.Type): number => {
  if ("Invariant" in kind) return kind.Invariant.calls
  return "Fuzz" in kind ? kind.Fuzz.runs : 1
}

const contractTest =
  (suite: string) =>
  ([name, { counterexample, kind, reason, status }]: readonly [string, typeof Result.Type]): ContractTest => ({
    suite,
    name,
    status,
    why: `${reason ?? "It failed."}\n${JSON.stringify(counterexample, undefined, 2)}`,
    isInvariant: "Invariant" in kind,
    calls: callsOf(kind),
  })

/**
 * Runs the tests whose names fit `match`, all of them without it. `env` sets what `foundry.toml` says otherwise, such as
 * `FOUNDRY_INVARIANT_RUNS`. Rejects with what forge said where the contracts do not compile.
 */
export const run = async (
  match?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ReadonlyArray<ContractTest>> => {
  const only = match === undefined ? [] : ["--match-test", match]
  const { stderr, stdout } = await forge(["test", "--json", "--allow-failure", ...only], env)
  const begin = stdout.indexOf("{")
  if (begin < 0) throw new Error(`The contracts could not be tested. forge says:\n${stdout}${stderr}`)
  return Object.entries(Schema.decodeUnknownSync(Suites)(stdout.slice(begin))).flatMap(([suite, { test_results }]) =>
    Object.entries(test_results).map(contractTest(suite)),
  )
}
