/**
 * The figures in docs/indexer-performance.md: the table between its two marks, from what was measured.
 */
import * as FiguresPage from "./FiguresPage.ts"

type Metrics = Readonly<Record<string, number>>

const whole = (value: number | undefined): string =>
  value === undefined ? "" : Math.round(value).toLocaleString("en-US")

/** Writes the figures into the page and answers where. */
export const write = (metrics: Metrics): string => {
  const page = "docs/indexer-performance.md"
  const row = (name: string, first: string, later: string) => [name, whole(metrics[first]), whole(metrics[later])]
  FiguresPage.write(page, [
    `Measured on ${FiguresPage.processor()} that chain, database and reader share, with ${whole(metrics["events"])} events, and with as many again on top of them.`,
    FiguresPage.table(
      ["", "first", "again"],
      [
        row("Events read in a second", "events_per_s", "events_per_s_later"),
        row("CPU of the reader for one, µs", "cpu_us_per_event", "cpu_us_per_event_later"),
        row("Events posted in a second", "posted_per_s", "posted_per_s_later"),
        row("CPU of the poster for one, µs", "posted_cpu_us", "posted_cpu_us_later"),
      ],
    ),
    `At the newest block, where every header is looked at, a block of 250 events takes ${whole(metrics["tip_block_ms"])} ms, making it included. An event takes ${whole(metrics["bytes_per_event"])} bytes on the disk, with its indexes.`,
  ])
  return page
}
