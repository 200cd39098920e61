/**
 * What counts tokens: a tokenizer, ready for use.
 *
 * @since 0.1.0
 */

/**
 * A tokenizer as far as counting goes.
 *
 * - `count`: the tokens of a text. With `special` the names of control tokens in it stand for these tokens, as in a
 *   rendered prompt; without, they are text like any other, as in an answer.
 * - `begin`, `end`: what templates know as `bos_token` and `eos_token`.
 * - `addsBegin`: whether the server puts `begin` before a prompt by itself, if the template has not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counter {
  readonly count: (text: string, options: { readonly special: boolean }) => number
  readonly begin: string | undefined
  readonly end: string | undefined
  readonly addsBegin: boolean
}
