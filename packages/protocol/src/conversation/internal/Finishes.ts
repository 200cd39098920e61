/** The words in which each dialect says why an answer ended. */
import type { Finish } from "../Answer.ts"

const fromChat: Readonly<Record<string, Finish>> = {
  stop: "stop",
  length: "length",
  tool_calls: "toolCalls",
  function_call: "toolCalls",
  content_filter: "contentFilter",
}

const toChat: Readonly<Record<Finish, string>> = {
  stop: "stop",
  stopSequence: "stop",
  pause: "stop",
  length: "length",
  contextLength: "length",
  toolCalls: "tool_calls",
  contentFilter: "content_filter",
}

const fromMessages: Readonly<Record<string, Finish>> = {
  end_turn: "stop",
  stop_sequence: "stopSequence",
  max_tokens: "length",
  model_context_window_exceeded: "contextLength",
  tool_use: "toolCalls",
  pause_turn: "pause",
  refusal: "contentFilter",
}

const toMessages: Readonly<Record<Finish, string>> = {
  stop: "end_turn",
  stopSequence: "stop_sequence",
  length: "max_tokens",
  contextLength: "model_context_window_exceeded",
  toolCalls: "tool_use",
  pause: "pause_turn",
  contentFilter: "refusal",
}

/** A server that was told which tool to call says `stop` after the call; its client waits for `toolCalls`. */
const called = (finish: Finish, hasCalls: boolean): Finish => (finish === "stop" && hasCalls ? "toolCalls" : finish)

/** Reasons that nobody knows (`abort`, `eos`) mean that the answer stopped. */
export const readChat = (reason: string, hasCalls: boolean): Finish => called(fromChat[reason] ?? "stop", hasCalls)
export const writeChat = (finish: Finish): string => toChat[finish]

export const readMessages = (reason: string, hasCalls: boolean): Finish =>
  called(fromMessages[reason] ?? "stop", hasCalls)
export const writeMessages = (finish: Finish): string => toMessages[finish]

/** `incomplete` is why the response is not complete, where it is not. */
export const readResponses = (incomplete: string | undefined, hasCalls: boolean): Finish => {
  if (incomplete === undefined) return called("stop", hasCalls)
  return incomplete === "content_filter" ? "contentFilter" : "length"
}

/** Why the response is not complete, where it is not. */
export const writeResponses = (finish: Finish): string | undefined => {
  if (finish === "contentFilter") return "content_filter"
  return finish === "length" || finish === "contextLength" ? "max_output_tokens" : undefined
}
