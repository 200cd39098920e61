/**
 * Which hub is asked and with which token: the same variables as all other tools of the field read.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import { ModelError } from "./ModelError.ts"

/**
 * The settings. `endpoint` has no slash at its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface HubSettings {
  readonly endpoint: string
  readonly token: Redacted.Redacted<string> | undefined
  readonly isOffline: boolean
}

/**
 * The hub that is asked where nobody names another.
 *
 * @category constants
 * @since 0.1.0
 */
export const ENDPOINT = "https://huggingface.co"

/** A token is a word; what else stands in a variable or a file would end up in a header. */
const TOKEN = /^[\x21-\x7e]{1,1000}$/
const MOST_TOKEN_BYTES = 4096
const YES = /^(?:1|on|yes|true)$/i

const text = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.map((value) => value.trim())),
  )

const variables = Config.all({
  endpoint: text("HF_ENDPOINT"),
  token: text("HF_TOKEN"),
  tokenPath: text("HF_TOKEN_PATH"),
  hubHome: text("HF_HOME"),
  cacheHome: text("XDG_CACHE_HOME"),
  home: text("HOME"),
  profile: text("USERPROFILE"),
  offline: text("HF_HUB_OFFLINE"),
})

const badSetting = (detail: string) => new ModelError({ reason: "BadSetting", detail })

const readEndpoint = (value: string): Effect.Effect<string, ModelError> => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isUsable =
    url !== undefined &&
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.username === "" &&
    url.search === ""
  return isUsable
    ? Effect.succeed(url.href.replace(/\/+$/, ""))
    : Effect.fail(badSetting("HF_ENDPOINT is no address of a hub. Write one like https://huggingface.co, or unset it."))
}

/** The token that "hf auth login" left on this machine. */
const savedToken = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const size = yield* Effect.option(fs.stat(file))
  if (Option.isNone(size) || Number(size.value.size) > MOST_TOKEN_BYTES) return Option.none<string>()
  return Option.filter(yield* Effect.option(fs.readFileString(file)), (token) => token.trim() !== "")
})

/**
 * Reads `HF_ENDPOINT`, `HF_TOKEN` (else the token that `hf auth login` saved) and `HF_HUB_OFFLINE`. Fails with `BadSetting`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load: Effect.Effect<HubSettings, ModelError, FileSystem.FileSystem | Path.Path> = Effect.gen(function* () {
  const path = yield* Path.Path
  const found = yield* variables.pipe(Effect.mapError((error) => badSetting(error.message)))
  const endpoint = yield* readEndpoint(Option.getOrElse(found.endpoint, () => ENDPOINT))
  const userHome = Option.getOrElse(
    Option.orElse(found.home, () => found.profile),
    () => ".",
  )
  const cache = Option.getOrElse(found.cacheHome, () => path.join(userHome, ".cache"))
  const hubHome = Option.getOrElse(found.hubHome, () => path.join(cache, "huggingface"))
  const file = Option.getOrElse(found.tokenPath, () => path.join(hubHome, "token"))
  const token = (Option.isSome(found.token) ? found.token : yield* savedToken(file)).pipe(
    Option.map((value) => value.trim()),
  )
  if (Option.isSome(token) && !TOKEN.test(token.value)) {
    return yield* badSetting("HF_TOKEN holds more than one word. Copy the token again from the hub's settings.")
  }
  return {
    endpoint,
    token: Option.getOrUndefined(Option.map(token, (value) => Redacted.make(value))),
    isOffline: Option.exists(found.offline, (value) => YES.test(value)),
  }
})
