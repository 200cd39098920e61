/** A link to one of these pages. It loads nothing anew: a provider that runs in this tab goes on. */
import type { MouseEvent, ReactNode } from "react"
import * as Location from "../Location.ts"

export const PageLink = ({
  children,
  isHere = false,
  page,
}: {
  readonly page: Location.Page
  readonly isHere?: boolean
  readonly children: ReactNode
}) => {
  const onClick = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    Location.go(page)
  }
  return (
    <a href={Location.hrefOf(page)} onClick={onClick} aria-current={isHere ? "page" : undefined}>
      {children}
    </a>
  )
}
