/** One of a member's devices: its name, key, last beat and state; renamed, its key changed, revoked. */
import { type FormEvent, useId, useRef, useState } from "react"
import { DeviceName } from "@guildhall/core/Device"
import * as Schema from "effect/Schema"
import type { DeviceView } from "@guildhall/protocol/api/DevicesApi"
import { Copy } from "../parts/Copy.tsx"
import { HardwareList } from "../parts/HardwareList.tsx"
import { Letter } from "../parts/Letter.tsx"
import * as Words from "../parts/Words.ts"
import type { Actions } from "./RequestCard.tsx"

const isName = Schema.is(DeviceName)

const stateOf = ({ instances, state }: DeviceView): { readonly title: string; readonly tone: string } => {
  if (state === "revoked") return { title: "Revoked", tone: "bad" }
  if (instances.some((one) => one.state === "online")) return { title: "Online", tone: "good" }
  if (instances.some((one) => one.state === "draining")) return { title: "Draining", tone: "busy" }
  return { title: instances.length === 0 ? "Serves nothing" : "Offline", tone: "calm" }
}

const Rename = ({ act, device }: Actions & { readonly device: DeviceView }) => {
  const id = useId()
  const [text, setText] = useState(device.name ?? "")
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const name = text.trim()
    if (!isName(name)) return setLetter("A name is 1 to 60 characters of plain ASCII, without spaces at its ends.")
    setLetter(await act((client) => client.devices.rename({ params: { id: device.id }, payload: { name } })))
  }
  return (
    <form className="row" onSubmit={(event) => void submit(event)}>
      <label htmlFor={id}>Name</label>
      <input id={id} className="name" value={text} maxLength={60} onChange={({ target }) => setText(target.value)} />
      <button type="submit" className="quiet">
        Save
      </button>
      {letter === undefined ? null : <Letter title="The name was not taken">{letter}</Letter>}
    </form>
  )
}

const Revoke = ({ act, device }: Actions & { readonly device: DeviceView }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const id = useId()
  const revoke = async (): Promise<void> => {
    setLetter(await act((client) => client.devices.revoke({ params: { id: device.id } })))
    dialog.current?.close()
  }
  return (
    <>
      <button type="button" className="danger" onClick={() => dialog.current?.showModal()}>
        Revoke…
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <h3 id={id}>Revoke {device.name ?? "this device"}?</h3>
        <p>
          It is asked nothing more within a second, for ever: its key is not taken again. What it has earned stays
          yours. To use the machine again, delete its key there and pair it anew.
        </p>
        <div className="actions">
          <button type="button" className="danger" onClick={() => void revoke()}>
            Revoke it
          </button>
          <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
        </div>
      </dialog>
      {letter === undefined ? null : <Letter title="It was not revoked">{letter}</Letter>}
    </>
  )
}

export const DeviceCard = ({ act, device, now }: Actions & { readonly device: DeviceView; readonly now: number }) => {
  const { title, tone } = stateOf(device)
  const seen = device.instances.reduce((latest, one) => Math.max(latest, one.lastBeatAtMs), device.lastSeenAtMs ?? 0)
  return (
    <li className="device">
      <div className="top">
        <h3>{device.name ?? "Without a name"}</h3>
        <span className={`badge ${tone}`}>{title}</span>
      </div>
      <dl>
        <dt>Key</dt>
        <dd className="mono">{device.fingerprint ?? "none"}</dd>
        <dt>Last beat</dt>
        <dd className="tabular">{seen === 0 ? "never" : Words.ago(seen, now)}</dd>
        {device.instances.map((one) => (
          <div key={one.id}>
            <dt>Serves</dt>
            <dd>
              {one.model} <span className="hint">{one.state}</span>
            </dd>
          </div>
        ))}
      </dl>
      {device.state === "revoked" ? null : (
        <details>
          <summary>Name, key and more</summary>
          <Rename key={device.name} act={act} device={device} />
          <HardwareList device={device} />
          <h4>Change its key</h4>
          <p className="hint">
            The new key is signed by the old one, so it is changed on the machine itself, and it stays the same device.
            A browser becomes a new device instead: clear this site's data in it, and revoke the old one here.
          </p>
          <Copy label="Command to change the key of the device" text="guildhall-agent rotate-key" />
          <h4>End it</h4>
          <Revoke act={act} device={device} />
        </details>
      )}
    </li>
  )
}
