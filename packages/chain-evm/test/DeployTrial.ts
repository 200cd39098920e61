/** Who holds the roles of a market that a test deploys: an account of anvil's for each. */
import { Effect } from "effect"
import { Address } from "@guildhall/chain/Address"
import type { Roles } from "../src/DeploySettings.ts"
import type * as Development from "../src/Development.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as SenderTrial from "./SenderTrial.ts"

/** The names of the accounts, which are those of the roles. */
export const names = [
  "governor",
  "pauser",
  "curator",
  "slasher",
  "arbiter",
  "verifier",
  "registrar",
  "adjuster",
  "challenger",
  "operator",
  "funder",
] as const satisfies ReadonlyArray<keyof Roles>

/** The roles, and options for a market with them; the treasury is an account of its own. */
export const options = Effect.gen(function* () {
  const entries = yield* Effect.forEach(names, (name) =>
    Effect.map(SenderTrial.address(name), (address) => [name, address] as const),
  )
  // One entry for each name of a role, and no other.
  const roles = Object.fromEntries(entries) as Record<keyof Roles, Address>
  const treasury = yield* SenderTrial.address("treasury")
  return { roles, treasury, voucherSigner: roles.operator } satisfies Development.Options
})

/**
 * A token with 18 decimals that keeps one percent of each transfer, in as little code as can be: balances are where the address
 * itself is the place, and everybody may take from everybody.
 */
const FEE_TOKEN = [
  // Which function: decimals, balanceOf, transfer, transferFrom, approve, allowance.
  "5f3560e01c8063313ce56714604457806370a0823114604d578063a9059cbb14606a57806323b872dd14608b578063095ea7b3146058578063dd62ed3e14606157",
  "5f5ffd",
  "5b60125f5260205ff3",
  "5b600435545f5260205ff3",
  "5b60015f5260205ff3",
  "5b5f195f5260205ff3",
  "5b60243580335403335560648104810360043554016004355560015f5260205ff3",
  "5b6044358060043554036004355560648104810360243554016024355560015f5260205ff3",
].join("")

/** The token, of which the account has a thousand. */
export const feeToken = Effect.fnUntraced(function* (holder: Address) {
  const anvil = yield* Anvil.Anvil
  const token = Address.make(`0x${"33".repeat(20)}`)
  const word = (digits: string) => `0x${digits.padStart(64, "0")}`
  yield* anvil.request("anvil_setCode", [token, `0x${FEE_TOKEN}`])
  yield* anvil.request("anvil_setStorageAt", [token, word(holder.slice(2)), word((1_000).toString(16))])
  return token
})
