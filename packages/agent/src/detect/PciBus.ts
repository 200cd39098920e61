/**
 * The graphics cards that sit in the machine, with or without a driver. On Linux the kernel lists them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { GpuVendor } from "@guildhall/core/Hardware"
import { Host } from "./Host.ts"

const FOLDER = "/sys/bus/pci/devices"
const MAX_DEVICES = 4_096
const VENDORS: Readonly<Record<string, GpuVendor>> = { "0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel" }
/** A processor's own graphics have less set apart for them than a card has; AMD's driver tells how much. */
const CARD_BYTES_MIN = 4 * 1024 ** 3
/** VGA, 3D, and what calculates without a screen. */
const GRAPHICS = /^0x(?:0300|0302|1200)/

/**
 * How many cards of each vendor there are. Where the system does not list them there are none.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.gen(function* () {
  const cards: Partial<Record<GpuVendor, number>> = {}
  const { platform } = yield* Host
  if (platform !== "linux") return cards
  const fs = yield* FileSystem.FileSystem
  const read = (path: string) =>
    fs.readFileString(path).pipe(
      Effect.map((text) => text.trim()),
      Effect.orElseSucceed(() => ""),
    )
  const devices = yield* Effect.orElseSucceed(fs.readDirectory(FOLDER), (): Array<string> => [])
  yield* Effect.forEach(
    devices.slice(0, MAX_DEVICES),
    Effect.fnUntraced(function* (device) {
      const vendor = VENDORS[yield* read(`${FOLDER}/${device}/vendor`)]
      if (vendor === undefined || !GRAPHICS.test(yield* read(`${FOLDER}/${device}/class`))) return
      const bytes = yield* read(`${FOLDER}/${device}/mem_info_vram_total`)
      const isCard = bytes === "" || Number(bytes) >= CARD_BYTES_MIN
      if (isCard) cards[vendor] = (cards[vendor] ?? 0) + 1
    }),
    { concurrency: 8, discard: true },
  )
  return cards
})
