/** Numbers as the text of a PostgreSQL array. */
export const ofNumbers = (items: Iterable<bigint | number>): string => `{${[...items].join(",")}}`

const quoted = (text: string | null): string => (text === null ? "NULL" : `"${text.replace(/["\\]/g, "\\$&")}"`)

/** Texts as the text of a PostgreSQL array, so that a statement's text does not depend on how many there are. */
export const ofTexts = (items: Iterable<string | null>): string => {
  let text = ""
  for (const item of items) text += text === "" ? quoted(item) : `,${quoted(item)}`
  return `{${text}}`
}

/** Bytes as the text of a PostgreSQL array. */
export const ofBytes = (items: ReadonlyArray<Uint8Array>): string =>
  `{${items.map((bytes) => `"\\\\x${Buffer.from(bytes).toString("hex")}"`).join(",")}}`

/** The items of an array of numbers that PostgreSQL wrote. */
export const numbersIn = (text: string): ReadonlyArray<string> => (text === "{}" ? [] : text.slice(1, -1).split(","))
