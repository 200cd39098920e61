/**
 * What a verdict of entry verification is about: where an instance is asked, and what it declared of what is checked. Once that
 * changes, the verdict says nothing any more.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Canonical from "@guildhall/core/Canonical"
import type { Instance } from "@guildhall/core/Instance"

/**
 * The digest of an instance's subject: SHA-256, in hexadecimal. Price, state and what is not checked are no part of it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = (instance: Instance): string => {
  const { concurrency, contextLength, devicePublicKey, endpoints, model, quantization, reach, region, tokenizer } =
    instance
  const subject = {
    model,
    reach: { ...reach },
    contextLength,
    concurrency,
    key: devicePublicKey ?? null,
    endpoints: endpoints === undefined ? null : [...endpoints],
    quantization: quantization ?? null,
    tokenizer: tokenizer ?? null,
    region: region ?? null,
  }
  return createHash("sha256").update(Canonical.bytes(subject)).digest("hex")
}
