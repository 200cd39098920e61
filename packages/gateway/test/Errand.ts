/**
 * One request of a random interleaving: what the buyer asks and does, and what each provider that is asked answers.
 */
import type { Chance } from "@guildhall/tools/Chance"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"

/** One attempt's answer, and what a buyer would see of it if nothing came between. */
export interface Reply {
  readonly kind: string
  readonly plan: Plan.FaultPlan
  /** The events of the stream in their order as they go to the buyer, or the whole answer. */
  readonly shown: ReadonlyArray<{ readonly text: string; readonly tokens: number }>
  /** What the provider reports of its output; undefined where it tells the truth, or nothing. */
  readonly lie: number | undefined
}

export interface Errand {
  readonly number: number
  readonly dialect: Speech.Dialect
  readonly stream: boolean
  readonly body: string
  readonly promptTokens: number
  readonly maxTokens: number
  readonly replies: readonly [Reply, ...ReadonlyArray<Reply>]
  readonly startsAfterMs: number
  readonly holdTakesMs: number
  readonly leaves: { readonly afterBytes: number } | { readonly afterMs: number } | undefined
  readonly dozes: { readonly afterBytes: number; readonly ms: number } | undefined
}

/** Four bytes are one token, by the lane's own estimate too, so that a report and an estimate come to the same. */
const BYTES_A_TOKEN = 4
const OUTPUT_TOKENS_MAX = 20_000

const limitOf = (dialect: Speech.Dialect) => (dialect === "responses" ? "max_output_tokens" : "max_tokens")

const cutsOf = (chance: Chance, text: string): ReadonlyArray<number> => {
  const bytes = Buffer.byteLength(text)
  return Array.from({ length: chance.between(0, 12) }, () => chance.below(bytes)).sort((a, b) => a - b)
}

const written = (chance: Chance, text: string) =>
  Plan.writeCut(text, cutsOf(chance, text), chance.percent(30) ? chance.between(1, 4) : 0)

interface Begun {
  readonly chance: Chance
  readonly said: Speech.Said
}

/** A way to fail before anything of the answer came. */
const early = ({ chance, said }: Begun): readonly [string, Plan.FaultPlan] =>
  chance.pick<readonly [string, Plan.FaultPlan]>([
    ["refuses", Plan.whole(500, "oops")],
    ["is busy", Plan.busy(1)],
    ["says its request was wrong", Plan.whole(400, '{"error":{"message":"no","type":"x","param":null,"code":null}}')],
    ["cuts at once", [Plan.cut]],
    ["resets at once", [Plan.delay(chance.below(5)), Plan.reset]],
    ["is silent", [Plan.stall]],
    ["opens and cuts", [Plan.streamHead, written(chance, said.opening), Plan.cut]],
    ["opens and is silent", [Plan.streamHead, written(chance, said.opening), Plan.stall]],
    ["opens and fails", [Plan.streamHead, written(chance, said.opening + said.error("oom"))]],
    ["is no stream", Plan.whole(200, "<html>", { "content-type": "text/html" })],
  ])

/** A way to fail after some of it came. */
const late = ({ chance, said }: Begun): readonly [string, Plan.FaultPlan] => {
  const some = said.opening + said.tokens.slice(0, chance.between(1, said.tokens.length)).join("")
  const all = said.opening + said.tokens.join("") + said.finish + said.usage
  const text = chance.percent(25) ? all : some
  const [name, end] = chance.pick<readonly [string, string | Plan.Step]>([
    ["cuts", Plan.cut],
    ["resets", Plan.reset],
    ["falls silent", Plan.stall],
    ["ends", Plan.end()],
    ["fails", said.error("oom")],
    ["talks nonsense", "data: {nope\n\n"],
    ["stops inside an event", 'data: {"cho'],
  ])
  const at = `${name} after ${text === all ? "all" : "some"}`
  // In one packet with what came before, or in one of its own.
  if (typeof end === "string")
    return [at, [Plan.streamHead, written(chance, text + end), ...(chance.percent(50) ? [Plan.cut] : [])]]
  return [at, [Plan.streamHead, written(chance, text), Plan.delay(chance.below(8)), end]]
}

const streamed = (begun: Begun): readonly [string, Plan.FaultPlan] => {
  const { chance, said } = begun
  const kind = chance.below(100)
  if (kind < 20) return early(begun)
  if (kind < 50) return late(begun)
  if (kind < 60) {
    const tokens = said.tokens.flatMap((token) => [Plan.write(token), Plan.delay(chance.between(1, 6))])
    return [
      "is slow",
      [Plan.streamHead, Plan.write(said.opening), ...tokens, Plan.write(said.finish + said.usage + said.done)],
    ]
  }
  return ["is good", [Plan.streamHead, written(chance, said.stream)]]
}

const whole = (begun: Begun): readonly [string, Plan.FaultPlan] => {
  const { chance, said } = begun
  const kind = chance.below(100)
  if (kind < 20) return early(begun)
  const half = said.whole.slice(0, chance.below(said.whole.length))
  const head = Plan.head(200, { "content-type": "application/json" })
  if (kind < 30) return ["sends half", [head, written(chance, half), Plan.cut]]
  if (kind < 35) return ["sends half and is silent", [head, written(chance, half), Plan.stall]]
  if (kind < 40) return ["is something else", Plan.whole(200, "{}")]
  return ["is good", [head, Plan.delay(chance.below(30)), written(chance, said.whole)]]
}

const reply = (
  chance: Chance,
  { dialect, promptTokens, stream }: Pick<Errand, "dialect" | "promptTokens" | "stream">,
): Reply => {
  const size = chance.pick([1, 1, 1, 1, 3, 3, 40, 1_000])
  const words = Array.from({ length: chance.between(1, size > 10 ? 60 : 40) }, () => "word".repeat(size))
  const tokens = words.length * size
  const report = chance.below(10)
  const lie = report === 0 ? tokens * 10 + 50 : report === 1 ? Math.floor(tokens / 2) : undefined
  const usage = report === 2 ? null : { prompt: promptTokens, completion: lie ?? tokens }
  const said = Speech.of(dialect, { words, usage })
  const [kind, plan] = (stream ? streamed : whole)({ chance, said })
  const hidden = dialect === "chat/completions" || dialect === "completions" ? said.usage : ""
  const spoken = new Set(said.tokens)
  const shown = stream
    ? said.stream
        .replace(hidden, "")
        .split(/(?<=\n\n)/)
        .map((text) => ({ text, tokens: spoken.has(text) ? size : 0 }))
    : [{ text: said.whole, tokens }]
  return { kind, plan, shown, lie }
}

/** Draws one. */
export const draw = (chance: Chance, number: number, model: string): Errand => {
  const dialect = chance.pick(["chat/completions", "chat/completions", "messages", "responses", "completions"] as const)
  const stream = chance.percent(75)
  const maxTokens = chance.percent(20) ? chance.between(1, 60) : OUTPUT_TOKENS_MAX
  const body = JSON.stringify({
    ...Speech.request(dialect, { model, stream, prompt: `Errand ${number}. ${"x".repeat(chance.below(200))}` }),
    [limitOf(dialect)]: maxTokens,
  })
  const promptTokens = Math.ceil(Buffer.byteLength(body) / BYTES_A_TOKEN)
  const one = () => reply(chance, { dialect, promptTokens, stream })
  return {
    number,
    dialect,
    stream,
    body,
    promptTokens,
    maxTokens,
    replies: [one(), one(), one()],
    startsAfterMs: chance.below(20),
    holdTakesMs: chance.percent(30) ? chance.below(40) : 0,
    leaves: chance.percent(70)
      ? undefined
      : chance.percent(50)
        ? { afterBytes: chance.below(4_000) }
        : { afterMs: chance.below(80) },
    dozes: chance.percent(15) ? { afterBytes: chance.below(2_000), ms: chance.between(10, 120) } : undefined,
  }
}

/** The number of the errand that a provider was asked. */
export const numberIn = (body: string): number => Number(/Errand (\d+)\./.exec(body)?.[1] ?? -1)
