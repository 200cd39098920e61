/**
 * The figures in docs/gas.md and in contracts/gas.json, which the tests compare with what the contracts take.
 */
import { writeFileSync } from "node:fs"
import path from "node:path"
import { contracts } from "../Foundry.ts"
import * as FiguresPage from "./FiguresPage.ts"
import type { Figures } from "./GasFigures.ts"

/** What a figure is called on the page, and the target that it should stay below, where it has one. */
const rows: Readonly<Record<keyof Figures, readonly [says: string, target: number | undefined]>> = {
  settle_per_request: ["a request settled from the funded balance (`settle`)", 72_000],
  settle_per_request_pulled: ["a request whose amount is pulled from the payer (`settleFrom`)", undefined],
  voucher: ["a voucher redeemed, for any number of requests (`redeem`)", undefined],
  epoch_root: ["an epoch's root posted, for any number of providers (`proposeEpoch`)", 45_000],
  epoch_root_applied: ["the same root applied when its delay is over (`applyRoot`)", undefined],
  claim: ["a claim from a root of 1,024 leaves (`RootVault.claim`)", 60_000],
  netted_per_provider_10: ["a netted epoch of 10 providers, each (`proposeEpoch` + `applyBatch`)", undefined],
  netted_per_provider_100: ["a netted epoch of 100 providers, each", undefined],
  netted_per_provider_500: ["a netted epoch of 500 providers, each", 7_000],
  pay_per_recipient_200: ["tokens sent to 200 recipients at once, each (`payMany`)", undefined],
}

const names = Object.keys(rows) as ReadonlyArray<keyof Figures>

const number = (value: number | undefined): string => (value === undefined ? "" : value.toLocaleString("en-US"))

/** Where the figures are kept that a test compares. */
export const file = path.join(contracts, "gas.json")

/** Writes both, and answers where the page is. */
export const write = (figures: Figures): string => {
  const page = "docs/gas.md"
  writeFileSync(file, `${JSON.stringify(figures, undefined, 2)}\n`)
  const table = names.map((name) => [rows[name][0], number(figures[name]), number(rows[name][1])])
  FiguresPage.write(page, [FiguresPage.table(["Gas of a whole transaction, steady state", "gas", "at most"], table)])
  return page
}

/** The figures above their targets, each in a sentence. */
export const misses = (figures: Figures): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const [says, target] = rows[name]
    return target === undefined || figures[name] <= target
      ? []
      : [`${says}: ${number(figures[name])} gas, and the target is ${number(target)}`]
  })
