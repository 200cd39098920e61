/** What the pages repeat: asking again every few seconds, and a clock. */
import { useCallback, useEffect, useRef, useState } from "react"
import type { Answer } from "../Api.ts"

export interface Asked<A> {
  readonly value: A | undefined
  readonly letter: string | undefined
  readonly code: string | undefined
  readonly again: () => void
}

/** Asks at once and then every so many milliseconds while the page is in front. What was answered last stays when one fails. */
export const useAsked = <A>(ask: () => Promise<Answer<A>>, everyMs: number): Asked<A> => {
  const [answer, setAnswer] = useState<Answer<A> | undefined>(undefined)
  const [value, setValue] = useState<A | undefined>(undefined)
  const asking = useRef(ask)
  asking.current = ask
  const isGone = useRef(false)
  const again = useCallback(() => {
    const hear = async (): Promise<void> => {
      const next = await asking.current()
      if (isGone.current) return
      setAnswer(next)
      if (next.ok) setValue(next.value)
    }
    void hear()
  }, [])
  useEffect(() => {
    isGone.current = false
    again()
    const timer = setInterval(() => {
      if (!document.hidden) again()
    }, everyMs)
    return () => {
      isGone.current = true
      clearInterval(timer)
    }
  }, [again, everyMs])
  const failure = answer?.ok === false ? answer : undefined
  return { value, letter: failure?.letter, code: failure?.code, again }
}

/** The time, every second. */
export const useNow = (): number => {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}
