import type { Usage } from "@guildhall/core/Usage"

/** What was billed, in the words of each dialect, for a buyer who asked for it where the provider did not say. */

export const chat = ({ cachedInputToken = 0, inputToken = 0, outputToken = 0 }: Usage) => ({
  prompt_tokens: inputToken + cachedInputToken,
  completion_tokens: outputToken,
  total_tokens: inputToken + cachedInputToken + outputToken,
  prompt_tokens_details: { cached_tokens: cachedInputToken },
})

/** Of a prompt that has no answer in tokens. */
export const prompt = ({ cachedInputToken = 0, inputToken = 0 }: Usage) => ({
  prompt_tokens: inputToken + cachedInputToken,
  total_tokens: inputToken + cachedInputToken,
})

export const responses = ({ cachedInputToken = 0, inputToken = 0, outputToken = 0 }: Usage) => ({
  input_tokens: inputToken + cachedInputToken,
  input_tokens_details: { cached_tokens: cachedInputToken },
  output_tokens: outputToken,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: inputToken + cachedInputToken + outputToken,
})

export const images = ({ inputToken = 0, outputToken = 0 }: Usage) => ({
  input_tokens: inputToken,
  output_tokens: outputToken,
  total_tokens: inputToken + outputToken,
})

export const messages = ({ cachedInputToken = 0, inputToken = 0, outputToken = 0 }: Usage) => ({
  input_tokens: inputToken,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cachedInputToken,
  output_tokens: outputToken,
})
