/**
 * JSON that somebody else wrote, without what would move a cursor: its strings end up at terminals and in logs.
 *
 * @since 0.1.0
 */
import { printable } from "@guildhall/core/CommandFailure"

/** What an escape means where it is shown: nothing but a character, and no line of its own. */
const shown = (escape: string, meaning: string): string => {
  if (/^[bfnrt]$/.test(meaning)) return " "
  if (meaning.length !== 5) return escape
  const character = String.fromCharCode(Number.parseInt(meaning.slice(1), 16))
  if (character === "\n") return " "
  return printable(character) === character ? escape : "\\ufffd"
}

/**
 * The same JSON with no control characters and no marks of direction in its strings, however they are written; ends of lines
 * in them become spaces.
 *
 * **Example** (A name that would clear the screen)
 *
 * ```ts
 * import { PlainJson } from "@guildhall/agent/serving"
 *
 * JSON.parse(PlainJson.of('{"name":"a\\u001b[2J\\nb"}')) // => { name: "a\ufffd[2J b" }
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const of = (json: string): string =>
  printable(json).replace(/\\(u[0-9a-fA-F]{4}|[^])/g, (escape, meaning: string) => shown(escape, meaning))
