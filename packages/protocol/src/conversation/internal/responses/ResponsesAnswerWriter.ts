/** The whole answer of Responses, written. */
import type { Answer } from "../../Answer.ts"
import type { Additions, AnswerOptions } from "../../Dialect.ts"
import * as Finishes from "../Finishes.ts"
import * as OutputItems from "./OutputItems.ts"
import * as ResponseObject from "./ResponseObject.ts"

export const write = (answer: Answer, options: AnswerOptions, additions?: Additions): string => {
  const { finish, parts, usage } = answer
  const status = Finishes.writeResponses(finish) === undefined ? "completed" : "incomplete"
  const output = OutputItems.ofParts(parts, options.id, status)
  return JSON.stringify(ResponseObject.make(options, { finish, output, usage }, additions))
}
