import type { Directory } from "../src/Directory.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

/** Everything that a directory is, in an order of its own. */
export const contentOf = (directory: Directory) => ({
  version: directory.version,
  nextSlot: directory.nextSlot,
  offered: [...directory.offered].sort(),
  places: [...directory.places].map((place) => ({ ...place })).sort((a, b) => a.slot - b.slot),
  candidates: SampleMarket.models.map((model) =>
    directory
      .candidates(model)
      .map(({ instance, inFlight }) => `${instance.id} ${inFlight} ${instance.state}`)
      .sort(),
  ),
})
