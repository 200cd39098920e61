/** How the loops warn a provider: where a market keeps warnings, and without ever failing for one. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Instance } from "@guildhall/core/Instance"
import { type NewWarning, Notifier } from "@guildhall/registry/Notifier"

const KEY_CHARS_MAX = 300
const DETAIL_CHARS_MAX = 1_000

/** Makes the function that warns the member of an instance. `about` and the topic are the warning's key: of the same thing it is warned once. */
export const make = Effect.map(Effect.serviceOption(Notifier), (found) => {
  const notifier = Option.getOrUndefined(found)
  return (
    { id, memberId }: Pick<Instance, "id" | "memberId">,
    about: string,
    warning: Omit<NewWarning, "key" | "memberId" | "subject">,
  ): Effect.Effect<void> => {
    if (notifier === undefined) return Effect.void
    const key = `${warning.topic}:${id}:${about}`.slice(0, KEY_CHARS_MAX)
    const detail = warning.detail.slice(0, DETAIL_CHARS_MAX)
    return notifier.warn({ ...warning, key, memberId, subject: id, detail }).pipe(
      Effect.catch((error) => Effect.logWarning(`${memberId} could not be warned of ${id}.`, error.message)),
      Effect.asVoid,
    )
  }
})

/** `2026-11-21 20:43 UTC` */
export const dateText = (ms: number): string =>
  `${DateTime.formatIso(DateTime.makeUnsafe(ms)).slice(0, 16).replace("T", " ")} UTC`
