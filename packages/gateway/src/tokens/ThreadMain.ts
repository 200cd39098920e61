/**
 * The thread in which tokens are counted, so that counting never delays a request. It is sent one exchange at a time,
 * and keeps the tokenizers that it used last.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import { parentPort } from "node:worker_threads"
import * as Result from "effect/Result"
import type { Tokenizer } from "@guildhall/core/Tokenizer"
import * as ChatTemplate from "./ChatTemplate.ts"
import * as Counting from "./Counting.ts"
import type { Counter } from "./Counter.ts"
import * as Files from "./Files.ts"
import * as GgufTokenizer from "./GgufTokenizer.ts"
import * as JsonTokenizer from "./JsonTokenizer.ts"

/**
 * What the thread is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly folder: string
  readonly tokenizerDigest: string
  readonly templateDigest: string | undefined
  readonly exchanged: Counting.Exchanged
}

/**
 * What it answers.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer =
  | { readonly _tag: "Counted"; readonly counted: Counting.Counted }
  | { readonly _tag: "NotAvailable"; readonly detail: string }
  | { readonly _tag: "Malformed" }

interface Tools {
  readonly counter: Counter
  readonly template: ChatTemplate.ChatTemplate | undefined
}

/** A tokenizer takes up to some hundred megabytes in memory. */
const KEPT_MAX = 4

const kept = new Map<string, Result.Result<Tools, string>>()

/** The bytes of a file that is named by their digest. */
const bytesOf = (folder: string, name: string, digest: string): Result.Result<Buffer, string> => {
  const file = path.join(folder, name)
  const read = Result.try({ try: () => readFileSync(file), catch: () => `The file ${name} cannot be read.` })
  return Result.flatMap(read, (bytes) =>
    createHash("sha256").update(bytes).digest("hex") === digest
      ? Result.succeed(bytes)
      : Result.fail(`The file ${name} is not what its name says.`),
  )
}

const counterOf = (bytes: Buffer): Result.Result<Counter, string> => {
  // The digest has shown that these are the bytes which the catalogue wrote.
  const tokenizer = JSON.parse(bytes.toString("utf8")) as Tokenizer
  return tokenizer.kind === "gguf"
    ? GgufTokenizer.make(tokenizer.metadata)
    : JsonTokenizer.make(tokenizer.tokenizer, tokenizer.config)
}

const load = ({ folder, templateDigest, tokenizerDigest }: Job): Result.Result<Tools, string> =>
  Result.flatMap(bytesOf(folder, Files.tokenizer(tokenizerDigest), tokenizerDigest), (bytes) =>
    Result.flatMap(counterOf(bytes), (counter): Result.Result<Tools, string> => {
      if (templateDigest === undefined) return Result.succeed({ counter, template: undefined })
      const text = bytesOf(folder, Files.template(templateDigest), templateDigest)
      return Result.flatMap(text, (text) =>
        Result.map(ChatTemplate.make(text.toString("utf8"), counter), (template) => ({ counter, template })),
      )
    }),
  )

const toolsOf = (job: Job): Result.Result<Tools, string> => {
  const key = `${job.tokenizerDigest} ${job.templateDigest ?? ""}`
  const known = kept.get(key)
  const tools = known ?? load(job)
  kept.delete(key)
  // What is missing may be there next time.
  if (Result.isSuccess(tools)) kept.set(key, tools)
  const [oldest] = kept.keys()
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
  return tools
}

const answer = (job: Job): Answer => {
  const tools = toolsOf(job)
  if (Result.isFailure(tools)) return { _tag: "NotAvailable", detail: tools.failure }
  const { counter, template } = tools.success
  // What the error says may hold a piece of the text, and goes no further.
  return Result.match(
    Result.try(() => Counting.count(counter, template, job.exchanged)),
    {
      onFailure: (): Answer => ({ _tag: "Malformed" }),
      onSuccess: (counted): Answer => ({ _tag: "Counted", counted }),
    },
  )
}

parentPort?.on("message", (job: Job) => parentPort?.postMessage(answer(job), []))
