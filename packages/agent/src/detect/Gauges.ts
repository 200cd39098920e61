/**
 * What the gauges of this machine's GPUs show, all cards together.
 *
 * @since 0.1.0
 */

/**
 * What one card says: load in percent, temperature in degrees Celsius, memory in use in MiB. What it does not say is left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gauges {
  readonly loadPercent?: number
  readonly temperatureCelsius?: number
  readonly vramUsedMib?: number
  readonly driver?: string
}

/** What `DeviceStatus` takes: a card that says more is not believed. */
const BOUNDS = { loadPercent: [0, 100], temperatureCelsius: [-60, 250], vramUsedMib: [0, 16_777_216] } as const
type Gauge = keyof typeof BOUNDS

const within = (gauge: Gauge, value: number | undefined): value is number => {
  const [minimum, maximum] = BOUNDS[gauge]
  return value !== undefined && Number.isFinite(value) && value >= minimum && value <= maximum
}

const over = (cards: ReadonlyArray<Gauges>, gauge: Gauge, fold: (values: ReadonlyArray<number>) => number) => {
  const values = cards.map((card) => card[gauge]).filter((value) => within(gauge, value))
  const value = values.length === 0 ? undefined : Math.round(fold(values))
  return within(gauge, value) ? { [gauge]: value } : {}
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/**
 * All cards together: the mean of their loads, the highest temperature, and the memory in use of them all.
 *
 * @category combinators
 * @since 0.1.0
 */
export const together = (cards: ReadonlyArray<Gauges>): Gauges => {
  const driver = cards.find((card) => card.driver !== undefined)?.driver
  return {
    ...over(cards, "loadPercent", (values) => sum(values) / values.length),
    ...over(cards, "temperatureCelsius", (values) => Math.max(...values)),
    ...over(cards, "vramUsedMib", sum),
    ...(driver === undefined ? {} : { driver }),
  }
}
