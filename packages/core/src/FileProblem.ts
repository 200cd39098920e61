/**
 * What went wrong with a file, for whoever has to set it right.
 *
 * @since 0.1.0
 */

/** What the system's codes mean, of those that a person can do something about. */
const meanings: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file or folder"],
  ["EACCES", "the rights of the file or its folder do not allow it to this user"],
  ["EPERM", "the system does not allow it to this user"],
  ["ENOSPC", "no space is left on the disk"],
  ["EDQUOT", "the user's share of the disk is used up"],
  ["EROFS", "the disk can only be read"],
  ["EIO", "the disk failed"],
  ["EISDIR", "it is a folder"],
  ["ENOTDIR", "a part of its path is no folder"],
  ["EEXIST", "something is there already"],
  ["ENAMETOOLONG", "its name is too long"],
  ["ELOOP", "its links lead in a circle"],
  ["EMFILE", "this process has too many files open"],
  ["ENFILE", "the system has too many files open"],
])

const codeOf = (error: unknown): string | undefined => {
  let at = error
  // A platform error wraps the system's own, once or twice.
  for (let depth = 0; depth < 4 && typeof at === "object" && at !== null; depth++) {
    if ("code" in at && typeof at.code === "string" && meanings.has(at.code)) return at.code
    at = "cause" in at ? at.cause : undefined
  }
  return undefined
}

/**
 * The reason of a failure to read or write, in words and with the system's code: a clause without a capital and a full stop.
 * Anything that is no such failure keeps its own message.
 *
 * **Example** (A disk that is full)
 *
 * ```ts
 * import { FileProblem } from "@guildhall/core"
 *
 * const error = Object.assign(new Error("ENOSPC: write"), { code: "ENOSPC" })
 * FileProblem.words(error) // => "no space is left on the disk (ENOSPC)"
 * FileProblem.words(new Error("it is no GGUF file")) // => "it is no GGUF file"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const words = (error: unknown): string => {
  const code = codeOf(error)
  const meaning = code === undefined ? undefined : meanings.get(code)
  if (meaning !== undefined) return `${meaning} (${code})`
  return error instanceof Error ? error.message : String(error)
}
