type Rows = Int32Array<ArrayBuffer>

/** Numbers and the words that they are made of. */
const pair = new Float64Array(1)
const wordsOfPair = new Int32Array(pair.buffer)
pair[0] = 1
/** The half of a double that has its sign, its exponent and its first digits is the second one in memory here. */
const HIGH = wordsOfPair[1] === 0 ? 0 : 1

/** Rows are counted by digits of at most so many bits. */
const BITS_MAX = 11
/** How many rows have each digit, and then where the next of them goes: for the lower and for the higher digit. */
const lower = new Int32Array(1 << BITS_MAX)
const higher = new Int32Array(1 << BITS_MAX)
/** So many rows can be counted. They have their room here, as loops are fastest over arrays that are always the same. */
const ROWS_MAX = 65_536
const counted = new Int32Array(ROWS_MAX)
const spare = new Int32Array(ROWS_MAX)
const keys = new Int32Array(ROWS_MAX)
/** The number that has a digit. */
const holders = new Float64Array(1 << BITS_MAX)

/** Moves rows to where their digit belongs; those that have the same stay in the order in which they are. */
const move = (from: Rows, to: Rows, size: number, counts: Int32Array, bits: number, shift: number): void => {
  const radix = 1 << bits
  let sum = 0
  for (let digit = 0; digit < radix; digit++) {
    const count = counts[digit] ?? 0
    counts[digit] = sum
    sum += count
  }
  for (let at = 0; at < size; at++) {
    const row = from[at] ?? 0
    const digit = ((keys[row] ?? 0) >>> shift) & (radix - 1)
    const place = counts[digit] ?? 0
    counts[digit] = place + 1
    to[place] = row
  }
}

/**
 * Gives each number of a column a digit that no other number has, by where it lies between the least and the greatest. False
 * where two would have the same: that shows after a few rows, unless there are only a few numbers.
 */
const countFew = (column: Float64Array, least: number, most: number, bits: number): boolean => {
  const scale = ((1 << bits) - 1) / (most - least)
  if (!(scale > 0 && scale < Infinity)) return false
  lower.fill(0)
  for (let row = 0; row < column.length; row++) {
    const value = column[row] ?? 0
    const digit = ((value - least) * scale) | 0
    const count = lower[digit] ?? 0
    if (count === 0) holders[digit] = value
    else if (holders[digit] !== value) return false
    lower[digit] = count + 1
    keys[row] = digit
  }
  return true
}

/** The first 32 bits of a number, in the order of the numbers: negative ones come first, the greatest of them last. */
const ordered = (word: number): number => (word < 0 ? ~word : word ^ (1 << 31)) >>> 0

const firstBits = (value: number): number => {
  pair[0] = value
  return ordered(wordsOfPair[HIGH] ?? 0)
}

/** Gives each number of a column two digits: the first of those bits in which numbers of this column differ. */
const countBits = (column: Float64Array, least: number, most: number, bits: number): void => {
  const words = new Int32Array(column.buffer, column.byteOffset, 2 * column.length)
  const start = firstBits(least)
  const shift = Math.max(0, 32 - Math.clz32(firstBits(most) - start) - 2 * bits)
  const mask = (1 << bits) - 1
  lower.fill(0)
  higher.fill(0)
  for (let row = 0; row < column.length; row++) {
    const key = (ordered(words[2 * row + HIGH] ?? 0) - start) >>> shift
    const low = key & mask
    const high = key >>> bits
    keys[row] = key
    lower[low] = (lower[low] ?? 0) + 1
    higher[high] = (higher[high] ?? 0) + 1
  }
}

/** What a stable sort by one column came to: `isTied` where numbers are equal, `isRight` where few enough had to be moved. */
interface Outcome {
  readonly isTied: boolean
  readonly isRight: boolean
}

/** Puts the counted rows right, which are nearly in the order of a column. Those of equal numbers stay in the order in which they are. */
const settle = (column: Float64Array): Outcome => {
  const rows = counted
  let moves = 8 * column.length
  let isTied = false
  let last = column[rows[0] ?? 0] ?? 0
  for (let at = 1; at < column.length; at++) {
    const row = rows[at] ?? 0
    const value = column[row] ?? 0
    if (value > last) {
      last = value
      continue
    }
    let to = at
    while (to > 0 && (column[rows[to - 1] ?? 0] ?? 0) > value) {
      rows[to] = rows[to - 1] ?? 0
      to--
      moves--
    }
    rows[to] = row
    isTied ||= to > 0 && column[rows[to - 1] ?? 0] === value
    if (moves < 0) return { isTied, isRight: false }
  }
  return { isTied, isRight: true }
}

/**
 * Sorts the counted rows by a column. By counting, which needs no comparisons: by the number itself where there are few, by its
 * first bits where there are many, of which few differ only in the rest.
 */
const byColumn = (column: Float64Array): Outcome => {
  const { length } = column
  let least = column[0] ?? 0
  let most = least
  for (let row = 1; row < length; row++) {
    const value = column[row] ?? 0
    if (value < least) least = value
    if (value > most) most = value
  }
  if (least === most) return TIED
  // About as many digits as rows.
  const bits = Math.min(BITS_MAX, 32 - Math.clz32(length))
  if (countFew(column, least, most, bits)) {
    move(counted, spare, length, lower, bits, 0)
    for (let at = 0; at < length; at++) counted[at] = spare[at] ?? 0
    return TIED
  }
  countBits(column, least, most, bits)
  move(counted, spare, length, lower, bits, 0)
  move(spare, counted, length, higher, bits, bits)
  return settle(column)
}

const TIED: Outcome = { isTied: true, isRight: true }

/** Sorts rows by columns and by id, by comparing: at once where there is little to do. */
const compare = (columns: ReadonlyArray<Float64Array>, idOf: (row: number) => string, rows: Rows): Rows => {
  const difference = (a: number, b: number): number => {
    for (const column of columns) {
      const one = column[a] ?? 0
      const other = column[b] ?? 0
      if (one !== other) return one < other ? -1 : 1
    }
    return idOf(a) < idOf(b) ? -1 : 1
  }
  let moves = 8 * rows.length
  for (let at = 1; at < rows.length && moves >= 0; at++) {
    const row = rows[at] ?? 0
    let to = at
    while (to > 0 && difference(row, rows[to - 1] ?? 0) < 0) {
      rows[to] = rows[to - 1] ?? 0
      to--
      moves--
    }
    rows[to] = row
  }
  return moves < 0 ? rows.sort(difference) : rows
}

/** So few rows are sorted by comparing. */
const FEW = 16

const identity = (size: number): Rows => {
  const rows = new Int32Array(size)
  for (let row = 0; row < size; row++) rows[row] = row
  return rows
}

/** Rows sorted by columns of numbers, the smaller first, and then by id. */
export const order = (
  columns: ReadonlyArray<Float64Array>,
  idOf: (row: number) => string,
  size: number,
): Int32Array => {
  const last = columns.length - 1
  if (size <= FEW || size > ROWS_MAX || last < 0) return compare(columns, idOf, identity(size))
  for (let row = 0; row < size; row++) counted[row] = row
  let isTied = true
  // From the last column to the first, each of which leaves equals as they are.
  for (let at = last; at >= 0; at--) {
    const column = columns[at]
    if (column === undefined) continue
    const outcome = byColumn(column)
    if (!outcome.isRight) return compare(columns, idOf, identity(size))
    if (at === last) isTied = outcome.isTied
  }
  const rows = counted.slice(0, size)
  return isTied ? compare(columns, idOf, rows) : rows
}

/** The smallest so many of the values, or all of them where there are no more, in their order. */
export const smallest = (values: Float64Array, count: number): Array<number> => {
  const least: Array<number> = []
  let limit = Infinity
  for (let row = 0; row < values.length; row++) {
    const value = values[row] ?? 0
    if (value >= limit) continue
    let at = least.length
    while (at > 0 && (least[at - 1] ?? 0) > value) at--
    least.splice(at, 0, value)
    if (least.length > count) least.pop()
    if (least.length === count) limit = least[count - 1] ?? Infinity
  }
  return least
}
