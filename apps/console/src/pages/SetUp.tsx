/** What is to be served: the browser's own model or a file, under which id, for how much. */
import { type FormEvent, useEffect, useId, useState } from "react"
import * as Schema from "effect/Schema"
import type * as Redacted from "effect/Redacted"
import { ModelId } from "@guildhall/core/Model"
import { BROWSER_CONTEXT } from "@guildhall/protocol/provider/Registration"
import { Letter } from "../parts/Letter.tsx"
import * as Words from "../parts/Words.ts"
import * as Prices from "../Prices.ts"
import { BrowserError, wordsOf } from "../provider/BrowserError.ts"
import * as PromptApi from "../provider/PromptApi.ts"
import { start } from "../provider/Session.ts"
import type { Picked } from "../provider/WllamaEngine.ts"

interface Parts {
  readonly apiKey: Redacted.Redacted
}

type Kind = "browser" | "file"

const isModel = Schema.is(ModelId)
const CONTEXT_MIN = 256
/** The text of the engine is large, and needed by nobody who serves the browser's own model. */
const wllama = () => import("../provider/WllamaEngine.ts")

/** An id for a file, until its person gives the one that buyers ask for. */
const idOf = ({ file }: Picked): string =>
  file.name
    .replace(/\.gguf$/i, "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")

const AVAILABLE: Readonly<Record<PromptApi.Availability, string>> = {
  available: "Ready in this browser.",
  downloadable: "The browser downloads it when you start: some gigabytes, once.",
  downloading: "The browser is downloading it.",
  unavailable: "This browser has the prompt API, but this device cannot run its model.",
}

const useAvailability = (): PromptApi.Availability | "none" | "asking" => {
  const [found, setFound] = useState<PromptApi.Availability | "none" | "asking">("asking")
  useEffect(() => {
    void PromptApi.availability().then((state) => setFound(state ?? "none"))
  }, [])
  return found
}

/** What the market suggests for a model, asked anew when it has not changed for a moment. */
const useSuggested = (apiKey: Redacted.Redacted, model: string) => {
  const [suggested, setSuggested] = useState<Prices.Suggested | undefined>(undefined)
  const [letter, setLetter] = useState<string | undefined>(undefined)
  useEffect(() => {
    let isOld = false
    const ask = async (): Promise<void> => {
      const answer = await Prices.suggest(apiKey, model)
      if (isOld) return
      setLetter(answer.ok ? undefined : answer.letter)
      if (answer.ok) setSuggested(answer.value)
    }
    const timer = setTimeout(() => void ask(), 300)
    return () => {
      isOld = true
      clearTimeout(timer)
    }
  }, [apiKey, model])
  return { suggested, letter }
}

const PriceField = (props: {
  readonly label: string
  readonly value: string
  readonly placeholder: string
  readonly onChange: (text: string) => void
}) => {
  const id = useId()
  return (
    <div>
      <label htmlFor={id}>{props.label}</label>
      <span className="unit">
        <input
          id={id}
          inputMode="numeric"
          pattern="[0-9]{1,9}"
          placeholder={props.placeholder}
          value={props.value}
          onChange={({ target }) => props.onChange(target.value)}
        />
        <span>¢ a million</span>
      </span>
    </div>
  )
}

/** Whole cents; what is left empty is the suggestion. */
const centsOf = (text: string, suggested: number): number | undefined =>
  text.trim() === "" ? suggested : /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined

const share = (suggested: Prices.Suggested): string => `${Number(suggested.shareBps) / 100} %`

/** While it is served, what is offered stays as it is: `isOver`. */
export const SetUp = ({ apiKey, isOver }: Parts & { readonly isOver: boolean }) => {
  const ids = { model: useId(), file: useId(), context: useId() }
  const availability = useAvailability()
  const canPrompt = availability !== "none" && availability !== "unavailable" && availability !== "asking"
  const [chosen, setChosen] = useState<Kind | undefined>(undefined)
  const kind: Kind = chosen ?? (canPrompt ? "browser" : "file")
  const [picked, setPicked] = useState<Picked | undefined>(undefined)
  const [model, setModel] = useState("")
  const [guessed, setGuessed] = useState("")
  const [context, setContext] = useState("")
  const [price, setPrice] = useState({ input: "", output: "" })
  const [letter, setLetter] = useState<string | undefined>(undefined)
  const own = PromptApi.modelOf(navigator.userAgent)
  const served = kind === "browser" ? own : model
  const { letter: noPrices, suggested } = useSuggested(apiKey, served)

  const pick = async (file: File | undefined): Promise<void> => {
    setLetter(undefined)
    setPicked(undefined)
    if (file === undefined) return
    try {
      const found = await (await wllama()).inspect(file)
      setPicked(found)
      // What was typed meanwhile stays.
      setModel((now) => (now === "" || now === guessed ? idOf(found) : now))
      setGuessed(idOf(found))
      setContext(String(Math.min(found.contextLength ?? BROWSER_CONTEXT, BROWSER_CONTEXT)))
    } catch (error) {
      setLetter(error instanceof BrowserError ? error.message : wordsOf(error))
    }
  }

  /** The market's terms, for who starts before they are shown. */
  const known = async (): Promise<Prices.Suggested | undefined> => {
    const answer = await Prices.suggest(apiKey, served)
    if (answer.ok) return answer.value
    setLetter(answer.letter)
    return undefined
  }

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    const terms = suggested ?? (await known())
    if (terms === undefined) return
    const [input, output] = [centsOf(price.input, terms.input), centsOf(price.output, terms.output)]
    if (input === undefined || output === undefined) return setLetter("Give prices in whole cents, such as 100.")
    const options = { apiKey, prices: { input, output }, shareBps: terms.shareBps }
    setLetter(undefined)
    if (kind === "browser") {
      return void start({ ...options, load: (onProgress) => PromptApi.load(own, onProgress) })
    }
    if (picked === undefined) return setLetter("Pick a model file first: one that ends in .gguf.")
    if (!isModel(model)) return setLetter("Give the model's id, such as qwen/qwen3-0.6b: letters, digits and ._:/@+-")
    const contextLength = Number(context)
    if (!Number.isInteger(contextLength) || contextLength < CONTEXT_MIN) {
      return setLetter(`Give the context in tokens: a whole number from ${CONTEXT_MIN} on.`)
    }
    void start({
      ...options,
      load: async () => (await wllama()).load(picked, { model: ModelId.make(model), contextLength }),
    })
  }

  return (
    <section className="card" aria-labelledby="offer">
      <h2 id="offer">Your offer</h2>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <fieldset className="bare" disabled={isOver}>
          <legend className="hidden">What you offer</legend>
          <fieldset>
            <legend>Model</legend>
            <label className="choice">
              <input
                type="radio"
                name="kind"
                checked={kind === "browser"}
                disabled={!canPrompt}
                onChange={() => setChosen("browser")}
              />
              <span>
                The browser's own: <span className="mono">{own}</span>
                <span className="hint">
                  {availability === "asking"
                    ? "Asking the browser…"
                    : availability === "none"
                      ? "This browser brings no model. Current desktop versions of Chrome and Edge do."
                      : AVAILABLE[availability]}
                </span>
              </span>
            </label>
            <label className="choice">
              <input type="radio" name="kind" checked={kind === "file"} onChange={() => setChosen("file")} />
              <span>
                A model file of yours
                <span className="hint">GGUF, up to 2 GB. It runs here with llama.cpp, and stays on this device.</span>
              </span>
            </label>
          </fieldset>
          {kind === "file" ? (
            <div className="fields">
              <div>
                <label htmlFor={ids.file}>File</label>
                <input
                  id={ids.file}
                  type="file"
                  accept=".gguf"
                  onChange={({ target }) => void pick(target.files?.[0])}
                />
                <p className="hint">{picked === undefined ? "Ends in .gguf." : (picked.name ?? picked.file.name)}</p>
              </div>
              <div>
                <label htmlFor={ids.model}>Id on the market</label>
                <input
                  id={ids.model}
                  value={model}
                  placeholder="organisation/model"
                  spellCheck={false}
                  autoCapitalize="none"
                  onChange={({ target }) => setModel(target.value)}
                />
                <p className="hint">What buyers ask for. Say the truth: the market checks.</p>
              </div>
              <div>
                <label htmlFor={ids.context}>Context</label>
                <span className="unit">
                  <input
                    id={ids.context}
                    inputMode="numeric"
                    value={context}
                    placeholder={String(BROWSER_CONTEXT)}
                    onChange={({ target }) => setContext(target.value)}
                  />
                  <span>tokens</span>
                </span>
              </div>
            </div>
          ) : null}
          <fieldset>
            <legend>Prices</legend>
            <div className="pair">
              <PriceField
                label="Tokens read"
                value={price.input}
                placeholder={suggested === undefined ? "" : Words.count(suggested.input)}
                onChange={(input) => setPrice((now) => ({ ...now, input }))}
              />
              <PriceField
                label="Tokens written"
                value={price.output}
                placeholder={suggested === undefined ? "" : Words.count(suggested.output)}
                onChange={(output) => setPrice((now) => ({ ...now, output }))}
              />
            </div>
            <p className="hint two-lines">
              {suggested === undefined
                ? "Asking the market what to suggest…"
                : `Suggested: ${suggested.input} and ${suggested.output}, ${suggested.from} Leave the fields empty to take them. Of what buyers pay, ${share(suggested)} is yours on the market ${suggested.market}.`}
            </p>
          </fieldset>
          <button type="submit" className="large">
            Start serving
          </button>
        </fieldset>
      </form>
      {letter === undefined ? null : <Letter title="Not yet">{letter}</Letter>}
      {noPrices === undefined ? null : <Letter title="The market's prices are not known">{noPrices}</Letter>}
    </section>
  )
}
