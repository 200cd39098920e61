const isVaried = (column: Float64Array): boolean => {
  const one = column[0]
  for (let row = 1; row < column.length; row++) if (column[row] !== one) return true
  return false
}

type IsBefore = (a: number, b: number) => boolean

/** The half of a double that has its sign, its exponent and its first digits is the second one in memory here. */
const HIGH = new Int32Array(new Float64Array([1]).buffer)[1] === 0 ? 0 : 1
const RADIX = 256

/** Rows in the order of a column's first 32 bits, and where these are equal in the order in which they were: by counting. */
const byFirstBits = (column: Float64Array, rows: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
  const { length } = rows
  const words = new Int32Array(column.buffer, column.byteOffset, 2 * length)
  const keys = new Int32Array(length)
  const counts = new Int32Array(4 * RADIX)
  for (let row = 0; row < length; row++) {
    const word = words[2 * row + HIGH] ?? 0
    // Negative numbers come first, the greatest of them last.
    const key = word < 0 ? ~word : word ^ (1 << 31)
    keys[row] = key
    for (let digit = 0; digit < 4; digit++) {
      const at = digit * RADIX + ((key >>> (8 * digit)) & 255)
      counts[at] = (counts[at] ?? 0) + 1
    }
  }
  let from = rows
  let to = new Int32Array(length)
  for (let digit = 0; digit < 4; digit++) {
    const shift = 8 * digit
    const start = digit * RADIX
    // All alike in this digit.
    if (counts[start + (((keys[0] ?? 0) >>> shift) & 255)] === length) continue
    let sum = 0
    for (let at = start; at < start + RADIX; at++) {
      const count = counts[at] ?? 0
      counts[at] = sum
      sum += count
    }
    for (let at = 0; at < length; at++) {
      const row = from[at] ?? 0
      const bucket = start + (((keys[row] ?? 0) >>> shift) & 255)
      const place = counts[bucket] ?? 0
      counts[bucket] = place + 1
      to[place] = row
    }
    const sorted = to
    to = from
    from = sorted
  }
  return from
}

/** Puts right what is nearly in order; false, with all rows still there, where it was not. */
const settle = (rows: Int32Array, isBefore: IsBefore): boolean => {
  let moves = 8 * rows.length
  for (let at = 1; at < rows.length; at++) {
    const row = rows[at] ?? 0
    let to = at
    while (to > 0 && isBefore(row, rows[to - 1] ?? 0)) {
      rows[to] = rows[to - 1] ?? 0
      to--
      moves--
    }
    rows[to] = row
    if (moves < 0) return false
  }
  return true
}

/**
 * Rows sorted by columns of numbers, the smaller first, and then by id. By the first bits of the numbers, which needs no
 * comparisons, and then by the rest of them, of which few differ only there.
 */
export const order = (
  columns: ReadonlyArray<Float64Array>,
  idOf: (row: number) => string,
  size: number,
): Int32Array => {
  const varied = columns.filter(isVaried)
  const isBefore = (a: number, b: number): boolean => {
    for (const column of varied) {
      const one = column[a] ?? 0
      const other = column[b] ?? 0
      if (one !== other) return one < other
    }
    return idOf(a) < idOf(b)
  }
  let rows = new Int32Array(size)
  for (let row = 0; row < size; row++) rows[row] = row
  for (let at = varied.length - 1; at >= 0; at--) {
    const column = varied[at]
    if (column !== undefined) rows = byFirstBits(column, rows)
  }
  return settle(rows, isBefore) ? rows : rows.sort((a, b) => (isBefore(a, b) ? -1 : 1))
}

/** The number that `count` of the values do not exceed; infinite where there are not so many. */
export const smallest = (values: Float64Array, count: number): number => {
  const least: Array<number> = []
  for (const value of values) {
    if (least.length === count && value >= (least[count - 1] ?? 0)) continue
    let at = least.length
    while (at > 0 && (least[at - 1] ?? 0) > value) at--
    least.splice(at, 0, value)
    if (least.length > count) least.pop()
  }
  return least.length === count ? (least[count - 1] ?? Infinity) : Infinity
}
