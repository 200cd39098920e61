/** Why something failed in this page, as a letter: what happened, why, and what to do. */
export class BrowserError extends Error {
  readonly _tag = "BrowserError"
  readonly isRetryable: boolean
  readonly code: string | undefined
  readonly status: number | undefined

  constructor(
    message: string,
    facts: { readonly isRetryable?: boolean; readonly code?: string; readonly status?: number } = {},
  ) {
    super(message)
    this.name = "BrowserError"
    this.isRetryable = facts.isRetryable ?? false
    this.code = facts.code
    this.status = facts.status
  }
}

/** The words of anything that was thrown. */
export const wordsOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").trim()
