/**
 * A file as it should be.
 */

/** `file` is relative to the root. */
export interface Generated {
  readonly file: string
  readonly text: string
}
