/**
 * A contract on anvil that logs what it is told to, as often as it is told to. Called with three words (a count, a first and a
 * second topic), it logs that often: the two topics, the number of the log as the third one, and as the data.
 */
import * as Effect from "effect/Effect"
import type { Anvil } from "./Anvil.ts"

type Request = Anvil["Service"]["request"]

// i = 0; while (count > i) { log3(i, topic0, topic1, i); i += 1 }
const CODE = "0x5f5b805f351115601e57805f528060403560203560205fa36001016001565b00"

const word = (value: number | bigint | string): string =>
  (typeof value === "string" ? value.slice(2) : value.toString(16)).padStart(64, "0")

export const ADDRESS = `0x${"e0".repeat(20)}`
const CALLER = `0x${"ca".repeat(20)}`

/** Puts the contract there. */
export const deploy = (request: Request, address = ADDRESS) =>
  Effect.gen(function* () {
    yield* request("anvil_setCode", [address, CODE])
    yield* request("anvil_setBalance", [CALLER, "0xffffffffffffffffffff"])
    yield* request("anvil_impersonateAccount", [CALLER])
  })

/** Logs; answers the transaction. */
export const emit = (
  request: Request,
  log: { readonly count: number; readonly topic: string; readonly second: string },
  address = ADDRESS,
) =>
  Effect.map(
    request("eth_sendTransaction", [
      {
        from: CALLER,
        to: address,
        data: `0x${word(log.count)}${word(log.topic)}${word(log.second)}`,
        gas: `0x${(100_000 + 3_000 * log.count).toString(16)}`,
      },
    ]),
    String,
  )
