import type { Recording } from "../tokens/Recording.ts"

/**
 * The requests that wait to be counted, and the memory which they share with those that are still under way. Suspicious
 * ones are next; of the others, and then of them, the oldest makes room for a new one.
 */
export const make = <Job extends { readonly recording: Recording }>(options: {
  readonly bytesMax: number
  readonly queueMax: number
  readonly dropped: () => void
}) => {
  const { bytesMax, dropped, queueMax } = options
  const suspicious: Array<Job> = []
  const sample: Array<Job> = []
  let bytes = 0
  const dropOldest = (): boolean => {
    const oldest = sample.shift() ?? suspicious.shift()
    oldest?.recording.drop()
    if (oldest !== undefined) dropped()
    return oldest !== undefined
  }
  return {
    room: {
      take: (more: number): boolean => {
        while (bytes + more > bytesMax) if (!dropOldest()) return false
        bytes += more
        return true
      },
      give: (less: number): void => {
        bytes -= less
      },
    },
    put: (job: Job, kind: "suspicious" | "sample"): void => {
      if (suspicious.length + sample.length >= queueMax) dropOldest()
      if (kind === "suspicious") suspicious.push(job)
      else sample.push(job)
    },
    next: (): Job | undefined => suspicious.shift() ?? sample.shift(),
    get isEmpty(): boolean {
      return suspicious.length + sample.length === 0
    },
  }
}
