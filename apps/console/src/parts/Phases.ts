/** The words for where a provider stands. */
import type { Standing } from "../provider/Standing.ts"

type Tone = "good" | "busy" | "bad" | "calm"

export const PHASES: Readonly<
  Record<Standing["phase"], { readonly title: string; readonly tone: Tone; readonly text: string }>
> = {
  idle: { title: "Not serving", tone: "calm", text: "Choose a model and its prices, then start." },
  loading: {
    title: "Loading the model",
    tone: "busy",
    text: "This takes a moment for a small model, minutes for a large one.",
  },
  joining: { title: "Joining the market", tone: "busy", text: "The market is told what this browser serves." },
  checking: {
    title: "Being checked",
    tone: "busy",
    text: "The market checks that this browser answers before it sends requests.",
  },
  serving: { title: "Serving", tone: "good", text: "Requests may come at any time. Keep this tab open and in front." },
  reconnecting: {
    title: "Reconnecting",
    tone: "busy",
    text: "The connection to the market was lost. It is dialed again.",
  },
  draining: { title: "Stopping", tone: "busy", text: "What is under way is finished first." },
  stopped: { title: "Stopped", tone: "calm", text: "This browser is off the market." },
  failed: { title: "Not serving", tone: "bad", text: "Something is in the way." },
}
