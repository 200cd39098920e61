/** Entries of the usage log, for tests. */
import type { Entry } from "../src/serving/UsageLog.ts"
import * as TestTicket from "./TestTicket.ts"

export const entry = (number: number): Entry => ({
  ticket: {
    ticket: TestTicket.ticket(number, 1_000_000_000_000),
    signature: { keyId: "ticket_test", value: "signature" },
  },
  price: TestTicket.PRICE,
  usage: { inputToken: number, outputToken: 2 },
  outcome: "completed",
  endedAtMs: 1_000_000_000_000 + number,
})
