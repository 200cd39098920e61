/**
 * How much the ledger takes at once. Everything that could grow has an end.
 *
 * @since 0.1.0
 */

/** The most that a balance, a hold or a leg can be: 78 digits. @category constants @since 0.1.0 */
export const AMOUNT_MAX = 10n ** 78n - 1n

/** Attachments of one command, kinds and bodies, are at most so many bytes of JSON. @category constants @since 0.1.0 */
export const ATTACHMENT_BYTES_MAX = 16_384

/** A hold's context is at most so many bytes of JSON. @category constants @since 0.1.0 */
export const CONTEXT_BYTES_MAX = 8_192

/** A hold lives at most so long without renewal: 24 days. @category constants @since 0.1.0 */
export const LIFE_MS_MAX = 2_147_483_647

/** One `Expire` releases at most so many holds. @category constants @since 0.1.0 */
export const EXPIRE_MAX = 10_000

/** A hold is taken from at most so many accounts. @category constants @since 0.1.0 */
export const SOURCES_MAX = 16
