/**
 * The command line's `cloud`: puts the tokens of all accounts under the newest key.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { tell } from "@guildhall/core/CommandFailure"
import { CloudAccounts, type Resealed } from "./CloudAccounts.ts"
import { VARIABLE } from "./SealKeys.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const letter = ({ keyId, resealed, unreadable }: Resealed): ReadonlyArray<string> => [
  `resealed  ${resealed} tokens with the key "${keyId}"`,
  ...(unreadable.length === 0
    ? [`  Every other key in ${VARIABLE} may go now, once each gateway has been started with this one.`]
    : [
        `  These do not open, and stay as they are: ${unreadable.join(", ")}.`,
        "  Their rows were moved or changed. Their members give the tokens again, or remove the accounts.",
      ]),
]

const rotateKey = Command.make("rotate-key", { json }, (flags) =>
  Effect.gen(function* () {
    const accounts = yield* CloudAccounts
    const done = yield* accounts.reseal
    if (flags.json) return yield* Console.log(JSON.stringify({ ok: done.unreadable.length === 0, ...done }))
    for (const line of letter(done)) yield* Console.log(line)
  }).pipe(Effect.catch((error) => tell(error, flags.json))),
).pipe(
  Command.withDescription(
    `Seal the tokens of all accounts with the newest key of ${VARIABLE}; stopped, it goes on where it was`,
  ),
  Command.withExamples([
    { command: "guildhall cloud rotate-key", description: "After every gateway has been started with the new key" },
  ]),
)

/**
 * Makes the command `cloud`, for an app that has accounts.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = <E, R>(accounts: Layer.Layer<CloudAccounts, E, R>) =>
  Command.make("cloud").pipe(
    Command.withDescription("Look after the accounts in a cloud that members serve from"),
    Command.withSubcommands([rotateKey.pipe(Command.provide(accounts))]),
  )
