/**
 * Exact counts, made in a thread of their own with the files of a catalogue's folder.
 *
 * @since 0.1.0
 */
import { Worker } from "node:worker_threads"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { type CountRequest, TokenCount, TokenCountError } from "../TokenCount.ts"
import type { Answer, Job } from "./ThreadMain.ts"

/**
 * Settings. `folder` is the catalogue's; `timeoutMs` is how long one count may take, loading a tokenizer included, 20
 * seconds where it is not given; `program` replaces the thread's program, for tests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly folder: string
  readonly timeoutMs?: number
  readonly program?: URL
}

const TIMEOUT_MS = 20_000
/** What a thread may take for its tokenizers. Beyond it ends, and a new one begins. */
const MEMORY_MB = 1_024
/** A thread that had nothing to count for so long ends, and gives its memory back. */
const IDLE_MS = 300_000

const crashed = (detail: string) => new TokenCountError({ reason: "Crashed", detail })

/** From sources the thread runs as they are; from a build, as built. */
const isSource = import.meta.url.endsWith(".ts")
const ownProgram = new URL(isSource ? "./ThreadMain.ts" : "./ThreadMain.js", import.meta.url)

const begin = (program: URL): Worker => {
  const worker = new Worker(program, {
    // Nothing of the gateway's environment or command line is the thread's business.
    env: {},
    execArgv: isSource ? ["--conditions=@guildhall/source"] : [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  })
  // An error is also an exit, and that is what is listened for; without a listener it would end the process.
  worker.on("error", () => undefined)
  worker.unref()
  return worker
}

const jobOf = (folder: string, request: CountRequest): Job => {
  const { answer, endpoint, outputBytes, templateDigest, tokenizerDigest } = request
  const exchanged = { endpoint, request: request.request, answer, outputBytes }
  return { folder, tokenizerDigest, templateDigest, exchanged }
}

const make = Effect.fnUntraced(function* ({ folder, program = ownProgram, timeoutMs = TIMEOUT_MS }: Options) {
  const turn = yield* Semaphore.make(1)
  let running: Worker | undefined

  const stop = Effect.suspend(() => {
    const worker = running
    running = undefined
    return worker === undefined ? Effect.void : Effect.asVoid(Effect.promise(() => worker.terminate()))
  })
  yield* Effect.addFinalizer(() => stop)
  let usedAtMs = 0
  yield* Effect.gen(function* () {
    if ((yield* Clock.currentTimeMillis) - usedAtMs >= IDLE_MS) yield* stop
  }).pipe(turn.withPermits(1), Effect.repeat(Schedule.spaced(IDLE_MS)), Effect.forkScoped)

  const ask = (job: Job) =>
    Effect.callback<Answer, TokenCountError>((resume) => {
      const worker = (running ??= begin(program))
      const onAnswer = (answer: Answer) => {
        worker.off("exit", onExit)
        resume(Effect.succeed(answer))
      }
      const onExit = (code: number) => {
        worker.off("message", onAnswer)
        if (running === worker) running = undefined
        resume(Effect.fail(crashed(`The thread ended with code ${code}; the next count begins a new one.`)))
      }
      worker.once("message", onAnswer)
      worker.once("exit", onExit)
      worker.postMessage(job, [])
      // What is given up is not waited for: its answer would be taken for the next one's.
      return stop
    })

  const countExact = Effect.fn("TokenCount.countExact")(function* (request: CountRequest) {
    usedAtMs = yield* Clock.currentTimeMillis
    const answer = yield* ask(jobOf(folder, request)).pipe(
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () => Effect.fail(crashed(`It was not ready within ${timeoutMs} ms.`)),
      }),
      turn.withPermits(1),
    )
    switch (answer._tag) {
      case "Counted":
        return answer.counted
      case "NotAvailable":
        return yield* new TokenCountError({ reason: "NotAvailable", detail: answer.detail })
      case "Malformed":
        return yield* new TokenCountError({ reason: "Malformed", detail: "The tokenizer does not take its text." })
    }
  })

  return TokenCount.of({ countExact })
})

/**
 * The layer that counts in a thread. The thread begins with the first count and ends with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<TokenCount> => Layer.effect(TokenCount, make(options))
