/** A line to copy. */
import { useState } from "react"

const SHOWN_MS = 2_000

export const Copy = ({ label, text }: { readonly text: string; readonly label: string }) => {
  const [said, setSaid] = useState<string | undefined>(undefined)
  const copy = async (): Promise<void> => {
    const isDone = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    )
    setSaid(isDone ? "Copied" : "Select and copy it")
    setTimeout(() => setSaid(undefined), SHOWN_MS)
  }
  return (
    <div className="copy">
      <code tabIndex={0} aria-label={label}>
        {text}
      </code>
      <button type="button" className="quiet" onClick={() => void copy()}>
        <span aria-live="polite">{said ?? "Copy"}</span>
      </button>
    </div>
  )
}
