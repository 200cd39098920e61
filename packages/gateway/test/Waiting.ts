/** Waits until something is so. */
export const until = async <A>(what: string, look: () => A | undefined | false, withinMs = 5_000): Promise<A> => {
  const endMs = performance.now() + withinMs
  for (;;) {
    const found = look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > endMs) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Lets real time pass: only where time itself is what a test is about. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
