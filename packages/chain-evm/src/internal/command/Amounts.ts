/** Amounts as they are typed. */
import { parseUnits } from "viem/utils"
import type { Found } from "../../Token.ts"
import * as Problem from "./Problem.ts"
import * as Effect from "effect/Effect"

/** Whole tokens, with no more digits than the token has, in its smallest unit. */
export const read = (text: string, { decimals, symbol }: Found): Effect.Effect<bigint, Problem.Problem> => {
  const [, , fraction = ""] = /^(\d{1,30})(?:\.(\d+))?$/.exec(text) ?? ["", "", "x".repeat(256)]
  const units = fraction.length > decimals ? 0n : parseUnits(text, decimals)
  if (units > 0n) return Effect.succeed(units)
  return Effect.fail(
    Problem.of(
      "BadAmount",
      `"${text}" is no amount of ${symbol}.`,
      `Write whole tokens as digits, with a point and up to ${decimals} digits after it, and more than nothing: 1000, 0.5.`,
    ),
  )
}
