/**
 * What runs here, as the market shows it to the device's member.
 *
 * @since 0.1.0
 */
import type { Versions } from "@guildhall/core/Device"

/**
 * The version of this agent.
 *
 * @category constants
 * @since 0.1.0
 */
export const AGENT = "0.0.0"

/**
 * The versions of the agent and of what it runs on.
 *
 * @category constants
 * @since 0.1.0
 */
export const running: Versions = { agent: AGENT, node: process.versions.node }
