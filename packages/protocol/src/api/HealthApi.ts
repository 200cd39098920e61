/**
 * Whether the gateway lives, and whether it should be sent requests.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { errors } from "./Problem.ts"

const Status = <const S extends string>(status: S) => Schema.Struct({ status: Schema.Literal(status) })

/**
 * The group. `/healthz` answers as long as the process does; `/readyz` only while the stores keep what is written and the
 * gateway takes requests. Needs no key.
 *
 * @category groups
 * @since 0.1.0
 */
export class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("live", "/healthz", { success: Status("ok") }).annotate(OpenApi.Summary, "The process lives."),
    HttpApiEndpoint.get("ready", "/readyz", { success: Status("ready"), error: errors(503) }).annotate(
      OpenApi.Summary,
      "The gateway takes requests.",
    ),
  )
  .annotate(OpenApi.Title, "Health") {}
