/**
 * What is told where the keys that tokens are sealed with are not the right ones.
 */
import type { SealKeysError } from "@guildhall/registry/SealKeys"
import { LaunchError } from "./LaunchError.ts"

/**
 * The letter of such an error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (error: SealKeysError): LaunchError =>
  new LaunchError({ what: error.message, todo: "The README's table of settings says what it holds." })
