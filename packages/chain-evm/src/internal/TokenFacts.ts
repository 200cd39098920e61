/** What a token says of itself, for who shows amounts of it and has nothing to compare with. */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import { encodeFunctionData } from "viem/utils"
import * as Rpc from "../Rpc.ts"
import { toChainError } from "../RpcError.ts"
import * as Token from "../Token.ts"
import * as ChainReads from "./ChainReads.ts"

/** Its symbol and decimals. What is no token is refused as `Token.check` does it. */
export const find = Effect.fnUntraced(function* (token: Address) {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  const data = encodeFunctionData({ abi: Token.abi, functionName: "decimals" })
  const said = yield* Effect.mapError(reads.call({ to: token, data }), toChainError)
  const decimals = said.length === 66 && BigInt(said) <= 255n ? Number(BigInt(said)) : 0
  return yield* Token.check(token, { decimals })
})
