/** What each dialect calls the settings of a conversation, so that a letter names the member that the client wrote. */
import type { Conversation } from "../Conversation.ts"

const names = {
  choices: { "chat/completions": "n", responses: "n", messages: "n" },
  stop: { "chat/completions": "stop", responses: "stop", messages: "stop_sequences" },
  topK: { "chat/completions": "top_k", responses: "top_k", messages: "top_k" },
  frequencyPenalty: {
    "chat/completions": "frequency_penalty",
    responses: "frequency_penalty",
    messages: "frequency_penalty",
  },
  presencePenalty: {
    "chat/completions": "presence_penalty",
    responses: "presence_penalty",
    messages: "presence_penalty",
  },
  seed: { "chat/completions": "seed", responses: "seed", messages: "seed" },
  logitBias: { "chat/completions": "logit_bias", responses: "logit_bias", messages: "logit_bias" },
  logprobs: { "chat/completions": "logprobs", responses: "top_logprobs", messages: "logprobs" },
  format: { "chat/completions": "response_format", responses: "text.format", messages: "output_config.format" },
  verbosity: { "chat/completions": "verbosity", responses: "text.verbosity", messages: "verbosity" },
  tools: { "chat/completions": "tools", responses: "tools", messages: "tools" },
  toolChoice: { "chat/completions": "tool_choice", responses: "tool_choice", messages: "tool_choice" },
} as const

/** The name of a setting in the dialect of the request. */
export const of = ({ dialect }: Conversation, setting: keyof typeof names): string => names[setting][dialect]
