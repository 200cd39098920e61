/** A market for answers that come whole and one for streams, in each of which something is done at every point before the tests. */
import { afterAll, beforeAll, describe, it } from "@effect/vitest"
import * as Aftermath from "./Aftermath.ts"
import type { CrashMarket } from "./CrashMarket.ts"

const shapes = [
  { shape: "whole", stream: false },
  { shape: "stream", stream: true },
] as const

/** A market, and what is done in it. */
interface Made {
  readonly market: CrashMarket
  readonly run: () => Promise<void>
}

/**
 * Makes both at once, and tests each: `test` is given the way to what was made, which is there once the tests run. In the end the
 * books of each must add up.
 */
export const describeEach = <A extends Made>(
  make: (stream: boolean) => Promise<A>,
  test: (found: () => A, stream: boolean) => void,
): void => {
  const all = new Map<string, A>()

  beforeAll(async () => {
    await Promise.all(
      shapes.map(async ({ shape, stream }) => {
        const made = await make(stream)
        all.set(shape, made)
        await made.run()
      }),
    )
  }, 300_000)

  afterAll(async () => {
    await Promise.all(Array.from(all.values(), ({ market }) => market.close()))
  })

  describe.each(shapes)("$shape", ({ shape, stream }) => {
    const found = (): A => {
      const made = all.get(shape)
      if (made === undefined) throw new Error("There is no market.")
      return made
    }
    test(found, stream)
    it("the books add up", () => Aftermath.books(found().market))
  })
}
