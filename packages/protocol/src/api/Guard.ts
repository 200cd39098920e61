/**
 * What every endpoint of the control lane has in common: a limit on its body, and problems for everything that goes wrong.
 *
 * @since 0.1.0
 */
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import { errors } from "./Problem.ts"

/**
 * The most bytes that a body on the control lane may have.
 *
 * @category constants
 * @since 0.1.0
 */
export const BODY_BYTES_MAX = 1_000_000

/**
 * Reads the body within its limits, and answers what cannot be decoded, and what fails unforeseen, with a problem.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Guard extends HttpApiMiddleware.Service<Guard>()("@guildhall/protocol/api/Guard", {
  error: errors(400, 408, 413, 415, 500),
}) {}
