/** A model that is ready to serve in this page, and what is declared of it. */
import type { Quantization } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { Engine } from "@guildhall/agent/serving/Exchange"

/**
 * The engine. `name` is what runs the model, as the commitment names it; `weights` is SHA-256 of the file of weights, where there
 * is one; `parameters` are the members of a request that it understands beyond the basic ones.
 */
export interface BrowserEngine extends Engine {
  readonly name: string
  readonly model: ModelId
  readonly contextLength: number
  readonly concurrency: number
  readonly parameters: ReadonlyArray<string>
  readonly weights?: string | undefined
  readonly quantization?: Quantization | undefined
  readonly tokenizer?: string | undefined
  readonly close: () => Promise<void>
}
