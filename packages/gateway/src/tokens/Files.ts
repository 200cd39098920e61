/**
 * The names of the files in a catalogue's folder. A tokenizer and a template are named by the digest of their bytes, so
 * that a folder can be copied to another machine and nothing in it can be mistaken.
 *
 * @since 0.1.0
 */

/** The list of models. @category constants @since 0.1.0 */
export const LIST = "catalogue.json"

/** A tokenizer's canonical bytes. @category constants @since 0.1.0 */
export const tokenizer = (digest: string): string => `${digest}.tokenizer.json`

/** A chat template's text. @category constants @since 0.1.0 */
export const template = (digest: string): string => `${digest}.template.jinja`
