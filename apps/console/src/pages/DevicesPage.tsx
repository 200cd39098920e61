/** Pairing: a code for a machine, the machines that ask, and those that are a member's. */
import { useState } from "react"
import type * as Redacted from "effect/Redacted"
import type * as Effect from "effect/Effect"
import type { DeviceView, PairCode } from "@guildhall/protocol/api/DevicesApi"
import * as Api from "../Api.ts"
import { Copy } from "../parts/Copy.tsx"
import { useAsked, useNow } from "../parts/Hooks.ts"
import { Letter } from "../parts/Letter.tsx"
import { PageLink } from "../parts/PageLink.tsx"
import * as Words from "../parts/Words.ts"
import { DeviceCard } from "./DeviceCard.tsx"
import { RequestCard } from "./RequestCard.tsx"

const EVERY_MS = 2_000

interface Parts {
  readonly apiKey: Redacted.Redacted
}

const Code = ({
  code,
  now,
  onAgain,
}: {
  readonly code: PairCode
  readonly now: number
  readonly onAgain: () => void
}) => {
  // The clock of the page is up to a second old when the code comes.
  const nowMs = Math.max(now, Date.now())
  if (nowMs >= code.endsAtMs) {
    return (
      <div className="code">
        <p>The code has ended. Codes are good for ten minutes.</p>
        <button type="button" onClick={onAgain}>
          Make another code
        </button>
      </div>
    )
  }
  return (
    <div className="code">
      <p className="digits">
        <span className="hidden">The code is </span>
        {code.code.slice(0, 3)}
        <span aria-hidden="true"> </span>
        {code.code.slice(3)}
      </p>
      <p className="hint">
        Good once, for <span className="tabular">{Words.left(code.endsAtMs, nowMs)}</span>. Five wrong tries lock it.
      </p>
      <p>On the machine that is to serve, run:</p>
      <Copy label="Command to run on the machine" text={code.command} />
      <p>Where the agent is not installed yet, this does it and pairs it. It shows first what it will do, and asks:</p>
      <Copy
        label="Command to install the agent"
        text={`curl -fsSL ${window.location.origin}/install.sh | sh -s -- cpu --code ${code.longCode}`}
      />
      <p className="hint">
        Write <code>gpu</code> in place of <code>cpu</code> for a machine with an NVIDIA GPU.
      </p>
      <p className="hint">
        Then compare the fingerprint that it prints with the one that appears here, and approve it. Both lines hold a
        longer code that is heard even while others try codes.
      </p>
    </div>
  )
}

const Pairing = ({ apiKey, now }: Parts & { readonly now: number }) => {
  const [code, setCode] = useState<PairCode | undefined>(undefined)
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const [isAsking, setIsAsking] = useState(false)
  const make = async (): Promise<void> => {
    setIsAsking(true)
    const answer = await Api.call(apiKey, (client) => client.devices.pairCode())
    setIsAsking(false)
    setLetter(answer.ok ? undefined : answer.letter)
    if (answer.ok) setCode(answer.value)
  }
  return (
    <section className="card" aria-labelledby="pair">
      <h2 id="pair">Pair a machine</h2>
      {code === undefined ? (
        <div className="code">
          <p>
            A machine becomes yours by a code of six digits. It makes a key of its own, which never leaves it; this page
            shows what asked, and nothing serves before you approve it.
          </p>
          <button type="button" disabled={isAsking} onClick={() => void make()}>
            {isAsking ? "Making…" : "Make a code"}
          </button>
        </div>
      ) : (
        <Code code={code} now={now} onAgain={() => void make()} />
      )}
      {letter === undefined ? null : <Letter title="No code was made">{letter}</Letter>}
    </section>
  )
}

const byName = (a: DeviceView, b: DeviceView): number =>
  Number(a.state === "revoked") - Number(b.state === "revoked") || (b.lastSeenAtMs ?? 0) - (a.lastSeenAtMs ?? 0)

export const DevicesPage = ({ apiKey }: Parts) => {
  const now = useNow()
  const { again, letter, value } = useAsked(() => Api.call(apiKey, (client) => client.devices.list()), EVERY_MS)
  const devices = value?.data ?? []
  const waiting = devices.filter(({ state }) => state === "waiting")
  const others = devices.filter(({ state }) => state !== "waiting").toSorted(byName)
  const act = async (use: (client: Api.Client) => Effect.Effect<unknown, unknown>): Promise<string | undefined> => {
    const answer = await Api.call(apiKey, use)
    again()
    return answer.ok ? undefined : answer.letter
  }
  return (
    <>
      <h1>Devices</h1>
      {letter === undefined ? null : <Letter title="The list may be old">{letter}</Letter>}
      <div className="columns">
        <div>
          <Pairing apiKey={apiKey} now={now} />
          <section className="card" aria-labelledby="asking" aria-live="polite">
            <h2 id="asking">Waiting for you</h2>
            {waiting.length === 0 ? (
              <p className="empty">No machine asks. One that sends your code appears here within a few seconds.</p>
            ) : (
              waiting.map((device) => <RequestCard key={device.id} device={device} now={now} act={act} />)
            )}
          </section>
        </div>
        <section className="card" aria-labelledby="mine">
          <h2 id="mine">Your devices</h2>
          {value === undefined ? (
            <p className="empty">{letter === undefined ? "Asking the market…" : "Nothing was heard yet."}</p>
          ) : others.length === 0 ? (
            <p className="empty">
              You have no devices yet. Make a code for a machine, or{" "}
              <PageLink page="serve">serve from this browser</PageLink>.
            </p>
          ) : (
            <ul className="plain">
              {others.map((device) => (
                <DeviceCard key={device.id} device={device} now={now} act={act} />
              ))}
            </ul>
          )}
        </section>
      </div>
    </>
  )
}
