/**
 * The model that serves where nobody brought one, so that the first answer needs no download. It strings together words that
 * follow each other in a short text: **it is a demo model and cannot answer anything.**
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ModelId } from "@guildhall/core/Model"
import { AgentHome } from "../AgentHome.ts"
import * as BigramModel from "./BigramModel.ts"
import { DemoText } from "./DemoText.ts"

/**
 * Its id on a market.
 *
 * @category constants
 * @since 0.1.0
 */
export const ID = ModelId.make("guildhall/demo-bigram")

/**
 * What must stand wherever it appears.
 *
 * @category constants
 * @since 0.1.0
 */
export const NOTICE =
  "This is a demo model. It strings together words that follow each other in a short text and cannot answer anything."

/**
 * Its context, in tokens.
 *
 * @category constants
 * @since 0.1.0
 */
export const CONTEXT_LENGTH = 2048

/**
 * SHA-256 of some bytes, in hexadecimal.
 *
 * @category getters
 * @since 0.1.0
 */
export const digestOf = (bytes: Uint8Array): string => Crypto.createHash("sha256").update(bytes).digest("hex")

/**
 * The bytes of the model's file, made from the text by counting: the same each time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const build = (): Uint8Array<ArrayBuffer> =>
  BigramModel.encode(BigramModel.count(DemoText), { name: "Guildhall demo bigram", contextLength: CONTEXT_LENGTH })

/**
 * SHA-256 of the file's bytes. A change of the text, or of how it is counted, changes it.
 *
 * @category constants
 * @since 0.1.0
 */
export const DIGEST = "65bccf1ed34cd58f5b8e8e912b67653c23a9d433543a224256bc4eb1e11176d4"

const FILE = `demo-bigram-${DIGEST.slice(0, 16)}.gguf`

/**
 * Gives the path and the digest of the model's file in the agent's home; builds it where it is not there or is damaged.
 * Building takes about 0.1 s. Fails with `HomeUnusable`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ensure = Effect.gen(function* () {
  const home = yield* AgentHome
  const there = yield* home.read(FILE)
  if (Option.isSome(there) && digestOf(there.value) === DIGEST) return { path: home.path(FILE), digest: DIGEST }
  const made = build()
  yield* home.write(FILE, made, { mode: 0o644 })
  return { path: home.path(FILE), digest: digestOf(made) }
})
