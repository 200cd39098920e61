/**
 * What an agent asks where nobody says, in whole cents for a million tokens.
 *
 * @since 0.1.0
 */

/** What is read. @category constants @since 0.1.0 */
export const INPUT = 100

/** What is written. @category constants @since 0.1.0 */
export const OUTPUT = 200
