/** A worker that pulls, as small as it can be: it takes jobs, and answers each by a script. */
import { Agent, type ClientRequest, type IncomingMessage, request as call } from "node:http"
import type { Instance } from "@guildhall/core"
import type { ProviderExchange } from "@guildhall/protocol/ProviderExchange"
import * as Pull from "@guildhall/protocol/provider/PullJob"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import type { SampleDevice } from "@guildhall/registry/testing/SampleDevice"

export type Script = (exchange: ProviderExchange) => void

export interface Options {
  readonly url: string
  readonly device: SampleDevice
  readonly instance: Instance.Instance
  readonly count?: number
  readonly waitMs?: number
}

let sequence = Date.now()

export interface Answer {
  readonly status: number
  readonly body: unknown
}

const read = (response: IncomingMessage): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let text = ""
    response.on("data", (chunk: Buffer) => (text += String(chunk)))
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body: text === "" ? undefined : JSON.parse(text) }),
    )
    response.on("error", reject)
  })

/** Asks for jobs once; answers what the market says, and a way to leave before. */
export const take = (
  { count = 1, device, instance, url, waitMs = 5_000 }: Options,
  changes: Partial<Record<string, string>> = {},
) => {
  const body = new TextEncoder().encode(JSON.stringify({ instances: [instance.id], count, wait_ms: waitMs }))
  sequence += 1
  const message = device.sign({ method: "POST", path: Pull.TAKE_PATH, issuedAtMs: Date.now(), sequence, body })
  const request = call(`${url}${Pull.TAKE_PATH}`, {
    method: "POST",
    agent: new Agent(),
    headers: {
      "content-type": "application/json",
      [HEADERS.device]: message.publicKey,
      [HEADERS.signature]: message.signature,
      [HEADERS.issuedAt]: String(message.issuedAtMs),
      [HEADERS.sequence]: String(sequence),
      ...changes,
    },
  })
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on("response", (response) => void read(response).then(resolve, reject))
    request.on("error", reject)
  })
  /** The signature was looked at. */
  const heard = new Promise<void>((resolve) => request.on("response", () => resolve()))
  answer.catch(() => undefined)
  request.end(body)
  return { answer, heard, leave: () => request.destroy() }
}

/** The jobs of an answer. */
export const jobsOf = ({ body }: Answer): ReadonlyArray<Pull.Job> => (body as Pull.Taken).jobs

/** Begins an upload of a job's answer, which its chunks follow. */
export const upload = (url: string, job: Pick<Pull.Job, "job_id" | "lease">, query = "offset=0") => {
  const request = call(`${url}${Pull.jobPath(job.job_id, "answer")}?${query}`, {
    method: "POST",
    agent: new Agent(),
    headers: { [Pull.LEASE_HEADER]: job.lease, "content-type": "application/octet-stream" },
  })
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on("response", (response) => void read(response).then(resolve, reject))
    request.on("error", reject)
  })
  answer.catch(() => undefined)
  request.flushHeaders()
  return { request, answer }
}

/** Says something of a job. */
export const tell = (url: string, job: Pick<Pull.Job, "job_id" | "lease">, act: "renew" | "return"): Promise<Answer> =>
  fetch(`${url}${Pull.jobPath(job.job_id, act)}`, {
    method: "POST",
    headers: { [Pull.LEASE_HEADER]: job.lease },
  }).then(async (response) => ({ status: response.status, body: await response.json() }))

/** Does one job by a script. */
const work = (url: string, job: Pull.Job, script: Script, open: Set<ClientRequest>): void => {
  const { answer, request } = upload(url, job)
  open.add(request)
  const closed: Array<() => void> = []
  const close = () => {
    for (const listener of closed.splice(0)) listener()
    request.destroy()
  }
  void answer.then(
    ({ status }) => (status === 200 ? undefined : close()),
    () => undefined,
  )
  request.on("close", () => open.delete(request))
  script({
    method: job.method,
    path: job.path,
    headers: job.headers,
    body: Buffer.from(job.body, "base64"),
    start: (status, headers) => void request.write(Pull.encodeHead({ status, headers: { ...headers } })),
    data: (chunk) => request.write(chunk),
    end: () => void request.end(),
    // What was given before the break has arrived: it is flushed before the job is handed back.
    close: () => void setTimeout(() => void tell(url, job, "return").finally(() => request.destroy()), 5),
    onDrain: (listener) => void request.on("drain", listener),
    onClosed: (listener) => void closed.push(listener),
  })
}

/** Keeps asking until it is told to vanish, without a word. */
export const run = (
  options: Options,
  script: Script,
): { readonly ready: Promise<void>; readonly vanish: () => void } => {
  let isGone = false
  const open = new Set<ClientRequest>()
  let leave = () => {}
  const first = take(options)
  const loop = async () => {
    for (let asked = first; !isGone; asked = take(options)) {
      leave = asked.leave
      const answer = await asked.answer.catch(() => undefined)
      if (answer === undefined || isGone) return
      for (const job of jobsOf(answer)) work(options.url, job, script, open)
    }
  }
  void loop()
  return {
    ready: first.heard,
    vanish: () => {
      isGone = true
      leave()
      for (const request of open) request.destroy()
    },
  }
}
