/** The frame of the pages: where one is, whose key is used, and the page itself. */
import { useEffect, useRef, useSyncExternalStore } from "react"
import * as ApiKey from "./ApiKey.ts"
import * as Location from "./Location.ts"
import { DevicesPage } from "./pages/DevicesPage.tsx"
import { ServePage } from "./pages/ServePage.tsx"
import { SignIn } from "./pages/SignIn.tsx"
import { PageLink } from "./parts/PageLink.tsx"
import { PHASES } from "./parts/Phases.ts"
import { standing } from "./provider/Session.ts"

const PAGES: ReadonlyArray<{ readonly page: Location.Page; readonly title: string }> = [
  { page: "devices", title: "Devices" },
  { page: "serve", title: "Serve from this browser" },
]

/** Whether this tab serves, wherever one is. */
const Lamp = () => {
  const { phase } = useSyncExternalStore(standing.subscribe, standing.get)
  if (phase === "idle" || phase === "stopped") return null
  const { title, tone } = PHASES[phase]
  return <span className={`badge ${tone}`}>{title}</span>
}

export const App = () => {
  const page = Location.usePage()
  const apiKey = useSyncExternalStore(ApiKey.subscribe, ApiKey.get)
  const title = PAGES.find((one) => one.page === page)?.title ?? ""
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${title} · Guildhall`
    // Whoever reads with a screen reader hears that the page has changed.
    if (!isFirst.current) main.current?.focus()
    isFirst.current = false
  }, [title])
  return (
    <>
      <header>
        <div className="bar">
          <span className="brand">Guildhall</span>
          <nav aria-label="Pages">
            {PAGES.map((one) => (
              <PageLink key={one.page} page={one.page} isHere={one.page === page}>
                {one.title}
              </PageLink>
            ))}
          </nav>
          <span className="side">
            <Lamp />
            {apiKey === undefined ? null : (
              <button type="button" className="quiet" onClick={() => ApiKey.set(undefined)}>
                Sign out
              </button>
            )}
          </span>
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {apiKey === undefined ? (
          <SignIn title={title} />
        ) : page === "serve" ? (
          <ServePage apiKey={apiKey} />
        ) : (
          <DevicesPage apiKey={apiKey} />
        )}
      </main>
    </>
  )
}
