/** How serving goes: where it stands, what it earned, and the way to stop it. */
import type { Standing } from "../provider/Standing.ts"
import { stop } from "../provider/Session.ts"
import { Letter } from "../parts/Letter.tsx"
import { PHASES } from "../parts/Phases.ts"
import * as Words from "../parts/Words.ts"

const Figure = ({ label, value }: { readonly label: string; readonly value: string }) => (
  <div className="figure">
    <dt>{label}</dt>
    <dd className="tabular">{value}</dd>
  </div>
)

const canStop = ({ phase }: Standing): boolean =>
  phase === "joining" || phase === "checking" || phase === "serving" || phase === "reconnecting"

const Progress = ({ part }: { readonly part: number }) => (
  <p>
    <progress max={1} value={part} aria-label="Download of the browser's model" />
    <span className="tabular"> {Math.round(part * 100)} %</span>
  </p>
)

export const Running = ({ now }: { readonly now: Standing }) => {
  const { text, title, tone } = PHASES[now.phase]
  return (
    <section className="card now" aria-labelledby="state">
      <div className="top">
        <h2 id="state">Now</h2>
        <span className={`badge ${tone}`} role="status">
          {title}
        </span>
      </div>
      <p>{text}</p>
      {now.progress === undefined ? null : <Progress part={now.progress} />}
      <dl className="figures">
        <Figure label="Earned" value={Words.dollars(now.earned)} />
        <Figure label="Requests" value={Words.count(now.requests)} />
        <Figure label="Tokens read" value={Words.count(now.inputTokens)} />
        <Figure label="Tokens written" value={Words.count(now.outputTokens)} />
      </dl>
      <p className="hint">
        Your share since this start, by this page's count. What is paid is what the market settles, on your account.
      </p>
      {now.model === undefined ? null : (
        <dl>
          <dt>Model</dt>
          <dd className="mono">{now.model}</dd>
          <dt>Runs on</dt>
          <dd>{now.engine}</dd>
          <dt>This browser's key</dt>
          <dd className="mono">{now.fingerprint ?? "…"}</dd>
          <dt>Under way</dt>
          <dd className="tabular">{now.inFlight}</dd>
        </dl>
      )}
      {now.findings.length === 0 ? null : (
        <Letter title="The market's checks found something">
          {now.findings.map((one) => `${one.check}: ${one.detail} ${one.fix ?? ""}`).join(" ")}
        </Letter>
      )}
      {now.notes.length === 0 ? null : (
        <details>
          <summary>What happened</summary>
          <ul>
            {now.notes.map(({ atMs, text: note }) => (
              <li key={`${atMs} ${note}`}>
                <time className="hint">{new Date(atMs).toLocaleTimeString("en-GB")}</time> {note}
              </li>
            ))}
          </ul>
        </details>
      )}
      {now.letter === undefined ? null : (
        <Letter title={now.phase === "failed" ? "This browser does not serve" : "Something is in the way"}>
          {now.letter}
        </Letter>
      )}
      {canStop(now) ? (
        <div className="actions">
          <button type="button" className="quiet" onClick={stop}>
            Stop serving
          </button>
        </div>
      ) : null}
    </section>
  )
}
