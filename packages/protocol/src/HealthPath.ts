/**
 * Where an instance is asked whether it is there.
 *
 * @since 0.1.0
 */
import { type Instance, isAttested } from "@guildhall/core/Instance"

/**
 * The path. Agents answer `GET /healthz`; an endpoint that no agent stands behind is any server that speaks OpenAI's API, and all of
 * these list their models.
 *
 * @category getters
 * @since 0.1.0
 */
export const of = (instance: Pick<Instance, "devicePublicKey" | "reach">): "/healthz" | "/v1/models" =>
  instance.reach._tag === "Endpoint" && !isAttested(instance) ? "/v1/models" : "/healthz"
