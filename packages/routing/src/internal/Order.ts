const isVaried = (column: Float64Array): boolean => {
  const one = column[0]
  for (let row = 1; row < column.length; row++) if (column[row] !== one) return true
  return false
}

/**
 * Rows sorted by columns of numbers, the smaller first, and then by id. A merge sort on rows alone: it compares numbers in
 * typed arrays without a call for most pairs, and makes no objects.
 */
export const order = (
  columns: ReadonlyArray<Float64Array>,
  idOf: (row: number) => string,
  size: number,
): Int32Array => {
  const varied = columns.filter(isVaried)
  const first = varied[0] ?? new Float64Array(size)
  const second = varied[1] ?? new Float64Array(size)
  const rest = varied.slice(2)
  const isBefore = (a: number, b: number): boolean => {
    for (const column of rest) {
      const one = column[a] ?? 0
      const other = column[b] ?? 0
      if (one !== other) return one < other
    }
    return idOf(a) <= idOf(b)
  }
  let from = new Int32Array(size)
  for (let row = 0; row < size; row++) from[row] = row
  let to = new Int32Array(size)
  for (let width = 1; width < size; width *= 2) {
    for (let start = 0; start < size; start += 2 * width) {
      const middle = Math.min(start + width, size)
      const end = Math.min(start + 2 * width, size)
      let left = start
      let right = middle
      let at = start
      while (left < middle && right < end) {
        const a = from[left] ?? 0
        const b = from[right] ?? 0
        let difference = (first[a] ?? 0) - (first[b] ?? 0)
        if (difference === 0) difference = (second[a] ?? 0) - (second[b] ?? 0)
        if (difference < 0 || (difference === 0 && isBefore(a, b))) {
          to[at++] = a
          left++
        } else {
          to[at++] = b
          right++
        }
      }
      while (left < middle) to[at++] = from[left++] ?? 0
      while (right < end) to[at++] = from[right++] ?? 0
    }
    const sorted = to
    to = from
    from = sorted
  }
  return from
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
