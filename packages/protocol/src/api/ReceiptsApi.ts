/**
 * Signed receipts.
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { SignedReceipt } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import { Access } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * The group. The answer is what `guildhall receipt verify` checks, as it is. Only the buyer and the provider of the
 * request are told the salts of its commitments; for an operator they are empty. A receipt whose batch is not signed
 * after two seconds is `receipt_pending`, with `Retry-After`.
 *
 * @category groups
 * @since 0.1.0
 */
export class ReceiptsApi extends HttpApiGroup.make("receipts")
  .add(
    HttpApiEndpoint.get("get", "/v1/receipts/:id", {
      params: { id: RequestId },
      success: SignedReceipt,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "The signed receipt of a request."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Receipts") {}
