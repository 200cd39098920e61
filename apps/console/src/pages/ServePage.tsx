/** Serving from this browser: a model, its prices, and how it goes. */
import { useSyncExternalStore } from "react"
import type * as Redacted from "effect/Redacted"
import { PageLink } from "../parts/PageLink.tsx"
import { standing } from "../provider/Session.ts"
import { Running } from "./Running.tsx"
import { SetUp } from "./SetUp.tsx"

export const ServePage = ({ apiKey }: { readonly apiKey: Redacted.Redacted }) => {
  const now = useSyncExternalStore(standing.subscribe, standing.get)
  const isResting = now.phase === "idle" || now.phase === "stopped" || now.phase === "failed"
  return (
    <>
      <h1>Serve from this browser</h1>
      <p className="lead">
        This tab answers requests of the market with a model that runs on this device, and is paid for it. Nothing is
        installed.
      </p>
      <div className={isResting ? "columns" : "columns running"}>
        <SetUp apiKey={apiKey} isOver={!isResting} />
        <Running now={now} />
      </div>
      <section className="card" aria-labelledby="know">
        <h2 id="know">Good to know</h2>
        <ul>
          <li>
            Closing this tab stops serving: the market is told, and sends nothing more. Keep the tab open and in front.
          </li>
          <li>
            A phone serves through this page as well: there is no native app. Keep it plugged in, with this page in
            front.
          </li>
          <li>
            What buyers write is processed in this tab and kept nowhere. A model file stays on this device, and is not
            uploaded.
          </li>
          <li>
            This browser has a key of its own, which no script can take out of it. The market knows the browser by it,
            and lists it under <PageLink page="devices">Devices</PageLink>, where you can revoke it.
          </li>
        </ul>
      </section>
    </>
  )
}
