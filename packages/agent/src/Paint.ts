/**
 * Colours of a terminal.
 *
 * @since 0.1.0
 */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const

/**
 * Paints a text. What is painted keeps its words.
 *
 * @category models
 * @since 0.1.0
 */
export type Paint = (colour: keyof typeof CODES, text: string) => string

/**
 * Makes the paint, which does nothing where there are no colours.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make =
  (isColourful: boolean): Paint =>
  (colour, text) =>
    isColourful ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text
