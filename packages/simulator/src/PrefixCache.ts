/**
 * What an engine remembers of the beginnings of prompts: so many tokens in all, the longest unused are forgotten first.
 *
 * @since 0.1.0
 */

/**
 * The cache of one engine. What it holds is counted in tokens, by the key that requests with the same beginning share.
 *
 * **Example** (The oldest makes room)
 *
 * ```ts
 * import { PrefixCache } from "@guildhall/simulator"
 *
 * const cache = new PrefixCache.PrefixCache(1_000)
 * cache.put("a", 600)
 * cache.held("a", 500) // => 500
 * cache.put("b", 600)
 * cache.held("a", 500) // => 0
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class PrefixCache {
  readonly #tokens = new Map<string, number>()
  readonly #tokensMax: number
  #total = 0

  constructor(tokensMax: number) {
    this.#tokensMax = tokensMax
  }

  /** How many of a request's first `shared` tokens it need not compute. */
  held(key: string | undefined, shared: number): number {
    return key === undefined ? 0 : Math.min(shared, this.#tokens.get(key) ?? 0)
  }

  /** A prompt was computed: so many of its tokens are there now. What does not fit at all is not kept. */
  put(key: string | undefined, tokens: number): void {
    if (key === undefined || tokens <= 0) return
    const before = this.#tokens.get(key) ?? 0
    const after = Math.max(before, tokens)
    if (after > this.#tokensMax) return
    this.#tokens.delete(key)
    this.#tokens.set(key, after)
    this.#total += after - before
    for (const [oldest, size] of this.#tokens) {
      if (this.#total <= this.#tokensMax) break
      this.#tokens.delete(oldest)
      this.#total -= size
    }
  }

  /** A start of the engine: nothing is left. */
  clear(): void {
    this.#tokens.clear()
    this.#total = 0
  }
}
