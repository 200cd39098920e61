/**
 * The figures in docs/routing-performance.md: the tables between their two marks, from what was measured.
 */
import * as FiguresPage from "./FiguresPage.ts"
import { labelOf, policies } from "./RoutingPolicies.ts"

type Metrics = Readonly<Record<string, number>>

const SIZES = [10, 100, 1_000, 10_000]

const us = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(value < 10 ? 2 : 0))

const rowsOf = (metrics: Metrics, figure: string): ReadonlyArray<ReadonlyArray<string>> =>
  policies.flatMap((policy) => {
    const name = labelOf(policy)
    const cells = SIZES.map((size) => us(metrics[`${name}_${figure}_${size}`]))
    return cells.every((cell) => cell === "") ? [] : [[name, ...cells]]
  })

const head = (title: string): ReadonlyArray<string> => [title, ...SIZES.map((size) => size.toLocaleString("en-US"))]

/** Writes the figures into the page and answers where. */
export const write = (metrics: Metrics): string => {
  const page = "docs/routing-performance.md"
  const updates = policies.flatMap((policy) => {
    const name = labelOf(policy)
    const update = metrics[`${name}_update_us`]
    return update === undefined ? [] : [[name, us(update)]]
  })
  FiguresPage.write(page, [
    `Measured on one of ${FiguresPage.processor()}, in microseconds; across, how many instances the model has.`,
    FiguresPage.table(head("A choice, median"), rowsOf(metrics, "p50_us")),
    FiguresPage.table(head("A choice, 99th percentile"), rowsOf(metrics, "p99_us")),
    FiguresPage.table(head("A full ranking (reference form), median"), rowsOf(metrics, "rank_us")),
    FiguresPage.table(head("Bytes allocated for a choice"), rowsOf(metrics, "bytes")),
    FiguresPage.table(["A change of load, among 1,000", "µs"], updates),
  ])
  return page
}
