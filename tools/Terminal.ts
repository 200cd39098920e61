/**
 * What the tools write to the terminal: plain lines, coloured only where a person is looking.
 */

const isColourful =
  process.env["FORCE_COLOR"] !== undefined || (process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined)

const paint =
  (code: number) =>
  (text: string): string =>
    isColourful ? `\u001b[${code}m${text}\u001b[0m` : text

export const red = paint(31)
export const green = paint(32)
export const dim = paint(2)
export const bold = paint(1)

/** Writes one line to standard output. */
export const line = (text = ""): void => {
  process.stdout.write(`${text}\n`)
}

/** Seconds since `sinceMs` (from `performance.now()`), as people read them. */
export const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

/** Rows with aligned columns; numbers to the right. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths: Array<number> = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  const isNumber = (cell: string): boolean => /^[-\d.,]+( ?%)?$/.test(cell)
  return rows
    .map((row) =>
      row
        .map((cell, at) => (isNumber(cell) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}
