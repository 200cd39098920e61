/**
 * The routing policies that a definition may name here, for the gateway and for the command that audits it.
 */
import type { Part } from "@guildhall/core/Parts"
import * as LeastLoaded from "@guildhall/routing/policies/LeastLoaded"

/** Every part that routing is made of. */
export const routingParts: ReadonlyArray<Part> = [LeastLoaded.part]
