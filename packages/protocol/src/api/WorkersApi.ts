/**
 * What the gateway serves beside the control lane for those that do the work: jobs that are pulled, the protocol of AI Horde's workers,
 * and tunnels. They stand on the API's page; how they are served is the gateway's own.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { ImagePop, Submit, TextPop } from "../provider/HordeWorker.ts"
import { LEASE_HEADER, Standing, Take, TAKE_PATH, Taken } from "../provider/PullJob.ts"
import { PATH as TUNNEL_PATH, PROTOCOL } from "../provider/TunnelHello.ts"
import { errors } from "./Problem.ts"
import { OptionalSignature, SignatureHeaders } from "./ProvidersApi.ts"

const job = { params: { id: Schema.String }, headers: { [LEASE_HEADER]: Schema.String } } as const

const Pulled = HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.post("take", TAKE_PATH, {
      headers: SignatureHeaders,
      payload: Take,
      success: Taken,
      error: errors(400, 401, 403, 408, 409, 413, 503),
    }).annotate(
      OpenApi.Summary,
      "Take jobs for instances that are pulled. It waits for some, and answers none after a while.",
    ),
    HttpApiEndpoint.post("answer", "/v1/providers/jobs/:id/answer", {
      ...job,
      query: { offset: Schema.optionalKey(Schema.String), more: Schema.optionalKey(Schema.Literals(["0", "1"])) },
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
      success: Standing,
      error: errors(400, 404, 410),
    }).annotate(OpenApi.Summary, "Upload a job's answer, as it comes or from where an upload broke off."),
    HttpApiEndpoint.post("renew", "/v1/providers/jobs/:id/renew", {
      ...job,
      success: Standing,
      error: errors(404, 410),
    }).annotate(OpenApi.Summary, "Keep a job for another lease."),
    HttpApiEndpoint.post("return", "/v1/providers/jobs/:id/return", {
      ...job,
      success: Standing,
      error: errors(404, 410),
    }).annotate(OpenApi.Summary, "Hand a job back: another worker gets it."),
  )
  .annotate(OpenApi.Title, "Jobs that are pulled")

/** What Horde's workers read: `rc` is its code for what went wrong. */
const hordeErrors = [400, 401, 403, 404, 413, 503].map((status) =>
  Schema.Struct({ message: Schema.String, rc: Schema.String })
    .pipe(HttpApiSchema.status(status))
    .annotate({ description: `A refusal in Horde's own words, with status ${status}.` }),
)

const ApiKey = { apikey: Schema.String }

const Popped = Schema.Struct({
  id: Schema.NullOr(Schema.String),
  ids: Schema.Array(Schema.String),
  skipped: Schema.Record(Schema.String, Schema.Int),
  payload: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  model: Schema.optionalKey(Schema.String),
  ttl: Schema.optionalKey(Schema.Int),
  r2_upload: Schema.optionalKey(Schema.String),
  r2_uploads: Schema.optionalKey(Schema.Array(Schema.String)),
})

const Reward = Schema.Struct({ reward: Schema.Finite })

const Horde = HttpApiGroup.make("horde")
  .add(
    HttpApiEndpoint.post("popText", "/api/v2/generate/text/pop", {
      headers: ApiKey,
      payload: TextPop,
      success: Popped,
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "A worker of AI Horde takes a text job."),
    HttpApiEndpoint.post("submitText", "/api/v2/generate/text/submit", {
      headers: ApiKey,
      payload: Submit,
      success: Reward,
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "It submits the text."),
    HttpApiEndpoint.post("popImage", "/api/v2/generate/pop", {
      headers: ApiKey,
      payload: ImagePop,
      success: Popped,
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "A worker of AI Horde takes an image job."),
    HttpApiEndpoint.post("submitImage", "/api/v2/generate/submit", {
      headers: ApiKey,
      payload: Submit,
      success: Reward,
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "It submits the picture, or says that it was uploaded."),
  )
  .add(
    HttpApiEndpoint.put("upload", "/api/v2/generate/upload/:id/:secret", {
      params: { id: Schema.String, secret: Schema.String },
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "image/webp" })),
      success: HttpApiSchema.Empty(200),
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "Upload a picture where a job's `r2_upload` says: once."),
    HttpApiEndpoint.get("findUser", "/api/v2/find_user", {
      headers: ApiKey,
      success: Schema.Struct({ username: Schema.String, id: Schema.Int, kudos: Schema.Finite }),
      error: hordeErrors,
    }).annotate(OpenApi.Summary, "Whose key it is: what a worker asks when it starts."),
    HttpApiEndpoint.get("hordeStatus", "/api/v2/status/heartbeat", {
      success: Schema.Struct({ message: Schema.Literal("OK"), version: Schema.String }),
    }).annotate(OpenApi.Summary, "Whether the market is there: what a worker asks when it starts."),
  )
  .annotate(OpenApi.Title, "Workers of AI Horde")

const Tunnel = HttpApiGroup.make("tunnel")
  .add(
    HttpApiEndpoint.get("tunnel", TUNNEL_PATH, {
      headers: {
        ...OptionalSignature.fields,
        upgrade: Schema.Literal("websocket"),
        "sec-websocket-protocol": Schema.Literal(PROTOCOL),
      },
      success: HttpApiSchema.Empty(101).annotate({ description: "The tunnel is open: the first message is a hello." }),
      error: errors(400, 401, 403, 409, 503),
    }).annotate(OpenApi.Summary, "Open a tunnel: a WebSocket over which a device is asked, from behind any router."),
  )
  .annotate(OpenApi.Title, "Tunnels")

/**
 * The description. No handlers are made of it.
 *
 * @category apis
 * @since 0.1.0
 */
export class WorkersApi extends HttpApi.make("guildhall-workers").add(Pulled, Horde, Tunnel) {}
