/**
 * The figures in docs/ledger-performance.md: the table between its two marks, from what was measured.
 */
import * as FiguresPage from "./FiguresPage.ts"

type Metrics = Readonly<Record<string, number>>

const count = (value: number | undefined): string =>
  value === undefined ? "" : Math.round(value).toLocaleString("en-US")
const ratio = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(2))
const ms = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(1))

const loads = (metrics: Metrics): string => {
  const hot = [1, 16, 64, 256, 1_024].map((callers) => {
    const postings = metrics[`postings_per_s_${callers}`] ?? Number.NaN
    return [
      callers === 1 ? "1 caller" : `${count(callers)} callers`,
      count(postings),
      count(postings * 3),
      ratio(metrics[`ratio_${callers}`]),
      ms(metrics[`p50_ms_${callers}`]),
      ms(metrics[`p99_ms_${callers}`]),
    ]
  })
  const pairs = metrics["hold_post_pairs_per_s_256"] ?? Number.NaN
  const latencies = [ms(metrics["hold_post_p50_ms_256"]), ms(metrics["hold_post_p99_ms_256"])]
  return FiguresPage.table(
    ["Load", "postings/s", "transfers/s", "of raw", "p50 ms", "p99 ms"],
    [
      ...hot,
      [
        "256 callers, hold and post",
        count(pairs),
        count(pairs * 3),
        ratio(metrics["hold_post_ratio_256"]),
        ...latencies,
      ],
    ],
  )
}

const facts = (metrics: Metrics): string => {
  const all: ReadonlyArray<readonly [what: string, value: string]> = [
    ["Raw inserts/s, the yardstick", count(metrics["raw_per_s"])],
    ["256 callers, no shared account, of raw", ratio(metrics["cold_ratio_256"])],
    ["Shared accounts against none", ratio(metrics["hot_cold"])],
    ["Two processes on one book, of raw", ratio(metrics["two_writers_ratio"])],
    ["Four processes on one book, of raw", ratio(metrics["four_writers_ratio"])],
    ["Two processes on two books, of raw", ratio(metrics["two_books_ratio"])],
    ["Requests/s, 1 process", count(metrics["pairs_per_s_1"])],
    ["Requests/s, 2 processes", count(metrics["pairs_per_s_2"])],
    ["Requests/s, 4 processes", count(metrics["pairs_per_s_4"])],
    ["Another gateway stops helping at requests/s", count(metrics["knee_requests_per_s"])],
    ["Bytes per transfer, indexes included", count(metrics["bytes_per_transfer"])],
    ["Bytes per request (hold and charge)", count(metrics["bytes_per_pair"])],
    ["CPU of the gateway per posting at 256 callers, µs", count(metrics["cpu_us_per_posting_256"])],
    ["Transfers/s verified", count(metrics["verify_per_s"])],
    ["pgledger, transfers/s", count(metrics["pgledger_hot_per_s"])],
    ["This ledger against pgledger", ratio(metrics["vs_pgledger_hot"])],
    ["tb-perf in batches, transfers/s", count(metrics["tbperf_batched_per_s"])],
    ["This ledger against tb-perf in batches", ratio(metrics["vs_tbperf_batched"])],
  ]
  return FiguresPage.table(
    ["Figure", "Value"],
    all.filter(([, value]) => value !== ""),
  )
}

/** Writes the figures into the page and answers where. */
export const write = (metrics: Metrics, postgres: string): string => {
  const page = "docs/ledger-performance.md"
  const where = `Measured on ${FiguresPage.processor()}, which PostgreSQL ${postgres} and the callers share.`
  FiguresPage.write(page, [where, loads(metrics), facts(metrics)])
  return page
}
