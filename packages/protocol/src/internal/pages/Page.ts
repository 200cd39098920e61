import type * as Canonical from "@guildhall/core/Canonical"

/**
 * What the page says of an operation beyond its shapes. `body` is an example of what is sent, `answer` of what comes back where
 * all went well; `query` is what may stand behind the path; `key` says who calls: nobody in particular where it is left out.
 */
export interface Page {
  readonly text: string
  readonly body?: Canonical.Json
  readonly answer?: Canonical.Json
  readonly query?: string
  readonly key?: "provider" | "device" | "operator" | "buyer"
}

/** By `<METHOD> <path>`, parameters in braces. */
export type Pages = Readonly<Record<string, Page>>

/** A body that is bytes and not JSON. */
export const BYTES = "@answer.bin"
