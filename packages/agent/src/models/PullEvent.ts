/**
 * What there is to tell while a model is found and downloaded, for a person or a program, and who hears it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { License } from "./License.ts"

/**
 * A variant among others, with its size.
 *
 * @category models
 * @since 0.1.0
 */
export interface Choice {
  readonly repo: string
  readonly label: string
  readonly bytes: number
}

/**
 * An event. Sizes are bytes. `Chosen` says what will be used; `Also` what else fitted; `Progress` counts over all files of the
 * model, `bytes` of `total`; `Resumed` that `bytes` of a file were there already; `Restarted` that a file begins anew.
 *
 * @category models
 * @since 0.1.0
 */
export type PullEvent =
  | {
      readonly _tag: "Chosen"
      readonly id: string
      readonly repo: string
      readonly revision: string
      readonly label: string
      readonly files: ReadonlyArray<string>
      readonly bytes: number
      readonly license: License
    }
  | { readonly _tag: "Also"; readonly among: ReadonlyArray<Choice> }
  | { readonly _tag: "Cached"; readonly id: string; readonly label: string; readonly path: string }
  | { readonly _tag: "Waiting"; readonly seconds: number; readonly why: string }
  | { readonly _tag: "Busy"; readonly file: string; readonly pid: number }
  | { readonly _tag: "Checking"; readonly file: string; readonly bytes: number }
  | { readonly _tag: "Resumed"; readonly file: string; readonly bytes: number; readonly total: number }
  | { readonly _tag: "Restarted"; readonly file: string; readonly why: string }
  | { readonly _tag: "Progress"; readonly file: string; readonly bytes: number; readonly total: number }
  | { readonly _tag: "Verified"; readonly file: string; readonly sha256: string; readonly bytes: number }

/**
 * Who hears the events, and who is asked whether a licence is accepted. `accept` answers `undefined` where nobody can be asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  readonly tell: (event: PullEvent) => Effect.Effect<void>
  readonly accept: (license: License, id: string) => Effect.Effect<boolean | undefined>
}

/**
 * The listener of a pull. Without one, nothing is told and nobody is asked.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentListener: Context.Reference<Listener> = Context.Reference("@guildhall/agent/models/PullEvent", {
  defaultValue: (): Listener => ({ tell: () => Effect.void, accept: () => Effect.undefined }),
})

/**
 * Tells an event to the listener.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tell = (event: PullEvent): Effect.Effect<void> =>
  Effect.flatMap(CurrentListener, (listener) => listener.tell(event))
