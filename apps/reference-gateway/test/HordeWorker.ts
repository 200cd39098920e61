/**
 * Workers of AI Horde, written from the requests that the real ones make: `AI-Horde-Worker` (`worker/jobs/poppers.py`,
 * `scribe.py`, `stable_diffusion.py`, `framework.py`) and the one inside KoboldCpp (`run_horde_worker`). What they generate is a
 * script's.
 */
import { setTimeout as pause } from "node:timers/promises"

export interface TextJob {
  readonly id: string
  readonly model: string
  readonly payload: {
    readonly prompt: string
    readonly n: number
    readonly max_length: number
    readonly max_context_length: number
    readonly stop_sequence: ReadonlyArray<string>
    readonly temperature?: number
  }
}

export interface ImageJob {
  readonly id: string
  readonly model: string
  readonly r2_upload: string
  readonly payload: { readonly prompt: string; readonly width: number; readonly height: number; readonly seed: string }
}

export interface Reply {
  readonly status: number
  readonly body: {
    readonly id?: string | null
    readonly model?: string
    readonly payload?: object
    readonly r2_upload?: string
    readonly reward?: number
    readonly message?: string
    readonly rc?: string
  }
}

export const post = async (url: string, path: string, apikey: string, body: object): Promise<Reply> => {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { apikey, "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Reply["body"] }
}

/** What `ScribePopper` sends. */
export const textPop = (name: string, model: string) => ({
  name,
  models: [model],
  max_length: 80,
  max_context_length: 1024,
  priority_usernames: [],
  softprompts: [],
  bridge_agent: "AI Horde Worker~aphrodite~kai:24:https://github.com/db0/AI-Horde-Worker",
  threads: 1,
})

/** What `StableDiffusionPopper` sends. */
export const imagePop = (name: string, model: string) => ({
  name,
  max_pixels: 1024 * 1024,
  priority_usernames: [],
  nsfw: true,
  blacklist: [],
  models: [model],
  allow_img2img: true,
  allow_painting: true,
  allow_unsafe_ip: true,
  threads: 1,
  allow_post_processing: true,
  allow_controlnet: false,
  allow_lora: false,
  require_upfront_kudos: false,
  bridge_version: 24,
  bridge_agent: "AI Horde Worker:24:https://github.com/db0/AI-Horde-Worker",
})

export interface Worker {
  readonly username: string
  readonly rewards: ReadonlyArray<number>
  readonly replies: ReadonlyArray<Reply>
  readonly stop: () => Promise<void>
}

/** What becomes of a job: its text, or the word of a failure. */
export type TextScript = (job: TextJob) => Promise<string | "faulted">

/** The real ones try ten times where nobody answers, ten seconds apart. */
const insist = async (send: () => Promise<Reply>): Promise<Reply> => {
  for (let left = 500; ; left -= 1) {
    try {
      return await send()
    } catch (error) {
      if (left === 0) throw error
      await pause(200)
    }
  }
}

/** A text worker: asks who it is, then pops and submits until it is stopped. */
export const text = async (
  options: { readonly url: string; readonly apikey: string; readonly name: string; readonly model: string },
  script: TextScript,
): Promise<Worker> => {
  const { apikey, model, name, url } = options
  const user = await fetch(`${url}/api/v2/find_user`, { headers: { apikey } })
  const { username } = (await user.json()) as { readonly username: string }
  let isStopped = false
  const rewards: Array<number> = []
  const replies: Array<Reply> = []
  const submit = async (job: TextJob) => {
    const generation = await script(job)
    const body =
      generation === "faulted"
        ? { id: job.id, state: "faulted", generation: "faulted", seed: -1 }
        : { id: job.id, generation, seed: 0 }
    const reply = await insist(() => post(url, "/api/v2/generate/text/submit", apikey, body))
    replies.push(reply)
    if (reply.status === 200) rewards.push(Number(reply.body.reward))
  }
  const loop = async () => {
    while (!isStopped) {
      const popped = await post(url, "/api/v2/generate/text/pop", apikey, textPop(name, model)).catch(() => undefined)
      if (popped?.status !== 200) await pause(100)
      else if (typeof popped.body.id === "string") await submit(popped.body as TextJob)
    }
  }
  const running = loop()
  return {
    username,
    rewards,
    replies,
    stop: async () => {
      isStopped = true
      await running.catch(() => undefined)
    },
  }
}

/** An image worker: uploads where it is told to, or sends base64 where `inline` says so. */
export const images = async (
  options: { readonly url: string; readonly apikey: string; readonly name: string; readonly model: string },
  script: (job: ImageJob) => { readonly bytes: Uint8Array; readonly inline: boolean },
): Promise<Worker> => {
  const { apikey, model, name, url } = options
  let isStopped = false
  const rewards: Array<number> = []
  const replies: Array<Reply> = []
  const submit = async (job: ImageJob) => {
    const { bytes, inline } = script(job)
    if (!inline) await fetch(job.r2_upload, { method: "PUT", body: Uint8Array.from(bytes) })
    const generation = inline ? Buffer.from(bytes).toString("base64") : "R2"
    const body = { id: job.id, generation, seed: Number(job.payload.seed) }
    const reply = await post(url, "/api/v2/generate/submit", apikey, body)
    replies.push(reply)
    if (reply.status === 200) rewards.push(Number(reply.body.reward))
  }
  const loop = async () => {
    while (!isStopped) {
      const popped = await post(url, "/api/v2/generate/pop", apikey, imagePop(name, model)).catch(() => undefined)
      if (popped?.status !== 200) await pause(100)
      else if (typeof popped.body.id === "string") await submit(popped.body as ImageJob)
    }
  }
  const running = loop()
  return {
    username: "",
    rewards,
    replies,
    stop: async () => {
      isStopped = true
      await running.catch(() => undefined)
    },
  }
}
