/**
 * What is learned of a model's tokens: how many bytes one of them usually stands for. It bounds what a provider may
 * report, and stands in where it reports nothing.
 *
 * @since 0.1.0
 */

/**
 * The band of one model. `low` is how few bytes a token stands for at least, `mean` how many on average.
 *
 * @category models
 * @since 0.1.0
 */
export interface Band {
  readonly low: number
  readonly mean: number
}

interface Learned {
  samples: number
  mean: number
  deviation: number
}

/**
 * What a memory begins with. `prior` is the band of a model of which too little was seen; `ratioMin` the fewest bytes that a
 * token may be learned to stand for, and `tokensMin` how many tokens a sample needs to say something.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terms {
  readonly prior: Band
  readonly ratioMin: number
  readonly tokensMin: number
}

/** Of answers: one byte is proved to be the least, four is usual for English text, and short ones say little. */
const ANSWERS: Terms = { prior: { low: 1, mean: 4 }, ratioMin: 1, tokensMin: 16 }
/** So many samples are seen before the proved bound is narrowed. */
const SAMPLES_MIN = 32
/** An answer weighs this much against all that came before. */
const WEIGHT = 1 / 32
/** Nobody's tokens are longer on average; it keeps a wrong report from teaching much. */
const BYTES_MAX = 64
/** So many models are remembered; beyond it the one learned first is forgotten. */
const MODELS_MAX = 10_000

/**
 * Makes the memory of one process; of answers, where no other terms are given.
 *
 * The band is the running mean of bytes for a token, less four times the running deviation, and never more than half
 * the mean: code, other scripts and lists of numbers stay inside. It learns from whole answers whose report was within
 * the bound, so that a report cannot widen the band it is judged by.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ prior, ratioMin, tokensMin }: Terms = ANSWERS) => {
  const models = new Map<string, Learned>()

  const band = (model: string): Band => {
    const known = models.get(model)
    if (known === undefined || known.samples < SAMPLES_MIN) return prior
    const low = Math.max(ratioMin, Math.min(known.mean / 2, known.mean - 4 * known.deviation))
    return { low, mean: known.mean }
  }

  const learn = (model: string, sample: { readonly bytes: number; readonly tokens: number }): void => {
    if (sample.tokens < tokensMin || sample.bytes <= 0) return
    const ratio = Math.min(BYTES_MAX, Math.max(ratioMin, sample.bytes / sample.tokens))
    const known = models.get(model)
    if (known === undefined) {
      const [oldest] = models.keys()
      if (models.size >= MODELS_MAX && oldest !== undefined) models.delete(oldest)
      models.set(model, { samples: 1, mean: ratio, deviation: ratio / 2 })
      return
    }
    known.samples += 1
    known.deviation += (Math.abs(ratio - known.mean) - known.deviation) * WEIGHT
    known.mean += (ratio - known.mean) * WEIGHT
  }

  return { band, learn } as const
}
