/**
 * What the market needs to know of a request, whichever endpoint it came in by.
 *
 * @since 0.1.0
 */

/**
 * The members that the market reads of any request.
 *
 * - `messages`: what the prompt consists of, one entry for each message, item, prompt, input or document. Their number
 *   bounds what a chat template adds.
 * - `includeUsage`: whether the client sees the usage of a streamed answer. Only Chat and Completions let a client
 *   choose; elsewhere it is always true.
 * - `maxTokens`: the smallest of the limits that the client set, in tokens.
 * - `choices`: how many answers to one prompt, each as long as `maxTokens`; 0 where no tokens are generated.
 * - `media`: the images, sounds and files in the prompt, and how many UTF-16 units of the body they take (never more
 *   than they take bytes).
 * - `images`: how many images are asked for.
 * - `audioBytes`: the size of a recording to transcribe, in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Touched {
  readonly model: string
  readonly messages: ReadonlyArray<unknown>
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly maxTokens: number | undefined
  readonly choices: number
  readonly media: Media
  readonly images: number
  readonly audioBytes: number
}

/**
 * How many pieces of media a prompt embeds, and how much of the body they take.
 *
 * @category models
 * @since 0.1.0
 */
export interface Media {
  readonly pieces: number
  readonly bytes: number
}

/**
 * What is wrong with a request, and which member it is. `code` is the market's reason: the member is wrong
 * (`invalid_request`), or it is right and what would serve the request has no word for it (`unsupported_parameter`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Flaw {
  readonly code: "invalid_request" | "unsupported_parameter"
  readonly param: string | null
  readonly message: string
}
