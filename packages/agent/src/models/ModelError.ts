/**
 * Why a model could not be found, downloaded or kept.
 *
 * @since 0.1.0
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * The one error of this folder. `detail` is a letter: what happened, why, what to do.
 *
 * - `BadReference`: what was asked for names no model.
 * - `BadSetting`: a variable of the environment has a value that cannot be.
 * - `NotFound`: the hub has no such model, revision or file, or does not show it to this token.
 * - `Gated`: the owners of the model ask for an agreement first.
 * - `TokenRefused`: the hub does not know the token.
 * - `NoGguf`: the model is there, and nobody has it as GGUF under a name that can be trusted.
 * - `NoVariant`: there are GGUF files, and none of that quantisation, or several.
 * - `LicenseNotAccepted`: the licence is not a plain open one, and nobody said yes.
 * - `RateLimited`: the hub asks to wait longer than a download may.
 * - `Unreachable`: the hub did not answer, or the connection broke too often.
 * - `BadAnswer`: the hub answered with what is no answer, or with too much.
 * - `UnsafeRedirect`: the hub sent the download to an address that is not followed.
 * - `WrongLength`: the file that is sent has another length than the hub says.
 * - `WrongDigest`: the bytes are not those that the hub says.
 * - `DiskFull`: there is no room.
 * - `CacheUnusable`: the folder of the models cannot be read or written.
 * - `CacheBusy`: another process works on the same file and does not end.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelError extends Schema.TaggedError<ModelError>()("ModelError", {
  reason: Schema.Literals([
    "BadReference",
    "BadSetting",
    "NotFound",
    "Gated",
    "TokenRefused",
    "NoGguf",
    "NoVariant",
    "LicenseNotAccepted",
    "RateLimited",
    "Unreachable",
    "BadAnswer",
    "UnsafeRedirect",
    "WrongLength",
    "WrongDigest",
    "DiskFull",
    "CacheUnusable",
    "CacheBusy",
  ]),
  detail: Schema.String,
}) {
  /** Whether the same command may succeed later without anybody doing something. */
  get isRetryable(): boolean {
    return this.reason === "RateLimited" || this.reason === "Unreachable" || this.reason === "CacheBusy"
  }
  override get message(): string {
    return this.detail
  }
  /** The command tells it as a letter; nobody prints its stack as well. */
  override get [Runtime.errorReported](): boolean {
    return false
  }
}
