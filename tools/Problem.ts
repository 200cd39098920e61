/**
 * Something wrong in the tree, with the place and what to do about it.
 */
import { line, red } from "./Terminal.ts"

/** `file` is relative to the root; `line` counts from 1. */
export interface Problem {
  readonly file: string
  readonly line?: number
  readonly message: string
}

/** Prints the problems, or all of them as JSON, and sets the exit code. */
export const report = (problems: ReadonlyArray<Problem>, asJson: boolean): void => {
  if (asJson) line(JSON.stringify(problems, undefined, 2))
  else for (const one of problems) line(`${red("✗")} ${format(one)}`)
  if (problems.length > 0) process.exitCode = 1
}

/** `packages/core/src/Money.ts:3 message`, which editors turn into a link. */
export const format = ({ file, line: at, message }: Problem): string =>
  `${file}${at === undefined ? "" : `:${at}`} ${message}`
