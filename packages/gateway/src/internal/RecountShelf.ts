import type { Recording } from "../tokens/Recording.ts"

/**
 * The requests that wait to be counted, and the memory which they share with those that are still under way. The oldest
 * makes room for a new one.
 */
export const make = <Job extends { readonly recording: Recording }>(options: {
  readonly bytesMax: number
  readonly queueMax: number
  readonly dropped: () => void
}) => {
  const { bytesMax, dropped, queueMax } = options
  const waiting: Array<Job> = []
  let bytes = 0
  const dropOldest = (): boolean => {
    const oldest = waiting.shift()
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
    put: (job: Job): void => {
      if (waiting.length >= queueMax) dropOldest()
      waiting.push(job)
    },
    next: (): Job | undefined => waiting.shift(),
    get isEmpty(): boolean {
      return waiting.length === 0
    },
  }
}
