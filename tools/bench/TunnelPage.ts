/**
 * The figures in docs/tunnel-performance.md: a table between its two marks, from what was measured.
 */
import * as FiguresPage from "./FiguresPage.ts"

type Metrics = Readonly<Record<string, number>>

const number = (value = Number.NaN): string => value.toFixed(value < 10 ? 2 : 0)

/** Writes the figures into the page and answers where. */
export const write = (metrics: Metrics): string => {
  const page = "docs/tunnel-performance.md"
  const row = (title: string, name: string) => [
    title,
    number(metrics[`direct_${name}`]),
    number(metrics[`tunnel_${name}`]),
  ]
  FiguresPage.write(page, [
    `Measured with the gateway on one of ${FiguresPage.processor()}, everything else on the others; the machine's load was ${number(metrics["machine_load"])}.`,
    FiguresPage.table(
      ["", "called", "by tunnel"],
      [
        row("First byte, median, ms", "ttft_p50_ms"),
        row("First byte, 99th percentile, ms", "ttft_p99_ms"),
        ["Streams side by side on one core", number(metrics["streams_direct"]), number(metrics["streams"])],
        ["The same, by the CPU of a chunk", "", number(metrics["streams_by_cpu"])],
        ["CPU of a chunk, µs", number(metrics["cpu_us_per_chunk_direct"]), number(metrics["cpu_us_per_chunk"])],
        ["Memory of an idle one, KB", "", number(metrics["kb_per_idle_tunnel"])],
      ],
    ),
  ])
  return page
}
