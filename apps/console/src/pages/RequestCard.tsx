/** A machine that asks to be paired: what it is and where it asks from, to be approved or refused. */
import { useState } from "react"
import type * as Effect from "effect/Effect"
import type { DeviceView } from "@guildhall/protocol/api/DevicesApi"
import type { Client } from "../Api.ts"
import { HardwareList } from "../parts/HardwareList.tsx"
import { Letter } from "../parts/Letter.tsx"
import * as Words from "../parts/Words.ts"

export interface Actions {
  readonly act: (use: (client: Client) => Effect.Effect<unknown, unknown>) => Promise<string | undefined>
}

export const RequestCard = ({ act, device, now }: Actions & { readonly device: DeviceView; readonly now: number }) => {
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const [isBusy, setIsBusy] = useState(false)
  const decide = async (use: (client: Client) => Effect.Effect<unknown, unknown>): Promise<void> => {
    setIsBusy(true)
    setLetter(await act(use))
    setIsBusy(false)
  }
  const params = { id: device.id }
  const name = device.name ?? "A machine without a name"
  return (
    <article className="request" aria-label={`Request of ${name}`}>
      <h3>{name}</h3>
      <p>Is this what the machine prints?</p>
      <p className="fingerprint">{device.fingerprint ?? "no key"}</p>
      <HardwareList device={device} />
      <dl>
        <dt>Asks from</dt>
        <dd>{device.address ?? "an unknown address"}</dd>
        <dt>Asked</dt>
        <dd>{device.askedAtMs === null ? "at an unknown time" : Words.ago(device.askedAtMs, now)}</dd>
      </dl>
      <p className="hint">
        What it says of its hardware is not proved. Approve it only if the fingerprints are the same.
      </p>
      <div className="actions">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => void decide((client) => client.devices.approve({ params }))}
        >
          Approve
        </button>
        <button
          type="button"
          className="quiet"
          disabled={isBusy}
          onClick={() => void decide((client) => client.devices.refuse({ params }))}
        >
          Refuse
        </button>
      </div>
      {letter === undefined ? null : <Letter title="That was not done">{letter}</Letter>}
    </article>
  )
}
