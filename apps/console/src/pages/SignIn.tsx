/** Asks for the member's API key, and looks whether the market takes it. */
import { type FormEvent, useId, useState } from "react"
import * as Redacted from "effect/Redacted"
import * as Api from "../Api.ts"
import * as ApiKey from "../ApiKey.ts"
import { Letter } from "../parts/Letter.tsx"

export const SignIn = ({ title }: { readonly title: string }) => {
  const id = useId()
  const [text, setText] = useState("")
  const [isAsking, setIsAsking] = useState(false)
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const key = text.trim()
    if (key === "") return setLetter("Give a key first: it begins with sk-.")
    setIsAsking(true)
    const answer = await Api.call(Redacted.make(key), (client) => client.devices.list())
    setIsAsking(false)
    if (answer.ok) return ApiKey.set(key)
    setLetter(
      answer.code === "insufficient_role"
        ? "This key is of another role. Give one of the role provider."
        : answer.letter,
    )
  }
  return (
    <section className="card narrow">
      <h1>{title}</h1>
      <p>
        Give a key of the role <em>provider</em>. The market's operator issues it.
      </p>
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor={id}>API key</label>
        <input
          id={id}
          name="api-key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="sk-…"
          value={text}
          aria-describedby={`${id}-why`}
          onChange={({ target }) => setText(target.value)}
        />
        <p className="hint" id={`${id}-why`}>
          It is kept in this tab only and goes with it: closing the tab, or signing out, forgets it.
        </p>
        <button type="submit" disabled={isAsking}>
          {isAsking ? "Looking…" : "Continue"}
        </button>
      </form>
      {letter === undefined ? null : <Letter title="The market does not take this key">{letter}</Letter>}
    </section>
  )
}
