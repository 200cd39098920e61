/** What went wrong, as a letter. It is read out when it comes. */
import type { ReactNode } from "react"

export const Letter = ({ children, title }: { readonly title: string; readonly children: ReactNode }) => (
  <div className="letter" role="alert">
    <strong>{title}</strong>
    <p>{children}</p>
  </div>
)
