/**
 * The one registry of machine-readable reasons. A refusal that a user can see carries one of these codes, and the
 * same code stands in `explain`, in the journal, in metrics and in the docs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What a code means: its HTTP status, whether the same request may succeed later, and one sentence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reason {
  readonly status: number
  readonly isRetryable: boolean
  readonly sentence: string
}

const reason = (status: number, isRetryable: boolean, sentence: string): Reason => ({ status, isRetryable, sentence })

/**
 * Every code with its meaning. Codes are stable: a code is never given another meaning.
 *
 * @category constants
 * @since 0.1.0
 */
export const reasons = {
  // Admission
  missing_api_key: reason(401, false, "The request carries no API key."),
  invalid_api_key: reason(401, false, "The API key is not known or has been revoked."),
  key_expired: reason(401, false, "The API key has expired."),
  ip_not_allowed: reason(403, false, "The API key may not be used from this address."),
  model_not_allowed: reason(403, false, "The API key may not use this model."),
  insufficient_role: reason(403, false, "The key is valid but may not do this."),
  invalid_json: reason(400, false, "The body is not valid JSON."),
  invalid_request: reason(400, false, "The body does not have the expected shape."),
  unsupported_parameter: reason(400, false, "What would serve the request has no word for one of its parameters."),
  body_too_large: reason(413, false, "The body is larger than the market accepts."),
  body_timeout: reason(408, true, "The body did not arrive in time."),
  unsupported_media_type: reason(415, false, "The body must be application/json."),
  model_not_found: reason(404, false, "No instance has ever offered this model here."),
  not_found: reason(404, false, "There is nothing under this address or id."),
  method_not_allowed: reason(405, false, "The address is there, and is asked with another method."),
  rate_limited: reason(
    429,
    true,
    "The key, its member or the market has started as many requests in a minute as it may.",
  ),
  token_rate_limited: reason(
    429,
    true,
    "The key, its member or the market has used as many tokens in a minute as it may.",
  ),
  too_many_concurrent: reason(429, true, "The key, its member or the market has as many requests under way as it may."),
  context_too_long: reason(
    400,
    false,
    "The request is longer than the context of every instance of the model. Send less, or ask for another model.",
  ),
  // Money
  insufficient_funds: reason(402, false, "The balance does not cover the most this request can cost."),
  budget_exceeded: reason(
    402,
    false,
    "The budget of the key, its member or the market for the day or the month is used up.",
  ),
  price_too_high: reason(402, false, "Every instance costs more than the request allows."),
  account_frozen: reason(403, false, "The account is frozen."),
  idempotency_conflict: reason(422, false, "The idempotency key was used before with another request."),
  answer_not_kept: reason(
    409,
    false,
    "The request with this idempotency key was answered, and its answer is not kept.",
  ),
  request_in_progress: reason(409, true, "The request with this idempotency key is still being answered."),
  ceiling_exceeded: reason(409, false, "The account would hold more than its ceiling."),
  period_closed: reason(409, false, "The books of that time are closed."),
  hold_expired: reason(409, false, "The hold of this request expired before it could be settled."),
  // Routing: why one instance was left out, and why none was left
  no_capacity: reason(
    503,
    true,
    "Every instance of the model is offline, full, or left alone after failures. Send the request again in a moment.",
  ),
  queue_full: reason(
    429,
    true,
    "Every instance of the model is busy, and so many requests wait that this one would not be served in time. Send it again after the time that Retry-After says.",
  ),
  queue_timeout: reason(
    429,
    true,
    "Every instance of the model stayed busy for as long as a request may wait. Send it again after the time that Retry-After says, or ask for another model.",
  ),
  other_model: reason(404, false, "The instance serves another model."),
  offline: reason(503, true, "The instance missed a heartbeat or failed a health check."),
  draining: reason(503, true, "The instance is about to stop."),
  maintenance: reason(503, true, "The instance is under planned maintenance, as its provider has announced."),
  not_verified: reason(503, true, "The instance has not passed the checks that the market asks of who enters."),
  concurrency_full: reason(503, true, "The instance already serves as many requests as it declared."),
  context_too_short: reason(400, false, "The instance's context is shorter than the request needs."),
  already_tried: reason(503, true, "The instance has already failed this request."),
  parked: reason(503, true, "The instance failed several times of late and is left alone for a short while."),
  probing: reason(503, true, "The instance failed of late and gets one request at a time until one succeeds."),
  ejected: reason(
    503,
    true,
    "The instance fails far more often than the others of its model and is left alone for a while.",
  ),
  not_bonded: reason(503, true, "No bond for the instance is active, and this market asks for one."),
  below_throughput_floor: reason(503, true, "The instance sent fewer tokens a second of late than the market accepts."),
  below_health_floor: reason(
    503,
    true,
    "The instance failed or was away too often in the last 14 days for this market.",
  ),
  own_instance: reason(404, false, "The instance belongs to the member who asks, and nobody earns from itself here."),
  not_confidential: reason(
    404,
    false,
    "The instance does not run where its operator cannot look, as the request asks.",
  ),
  region_not_accepted: reason(404, false, "The instance has not declared a region that the request accepts."),
  country_not_accepted: reason(404, false, "The instance has not declared a country whose law the request accepts."),
  rail_not_accepted: reason(404, false, "The instance does not serve buyers who pay in this way."),
  capability_missing: reason(
    404,
    false,
    "The instance has declared what it understands, and not all that the request uses.",
  ),
  // Providers
  endpoint_not_offered: reason(
    404,
    false,
    "No instance of the model speaks this endpoint. GET /v1/models lists what each model speaks.",
  ),
  ignored_by_request: reason(404, false, "The request rules this provider out."),
  not_in_only: reason(404, false, "The request names the providers that may serve it, and this is none of them."),
  no_fallback_allowed: reason(404, false, "The request allows no other providers than those it names."),
  parameter_not_supported: reason(404, false, "The instance has not declared to understand what the request requires."),
  quantization_not_accepted: reason(404, false, "The instance has not declared a precision that the request accepts."),
  data_retained: reason(404, false, "The instance has not declared that it keeps nothing of what it is sent."),
  provider_unreachable: reason(502, true, "The provider could not be reached."),
  provider_error: reason(502, true, "The provider answered with an error."),
  provider_busy: reason(503, true, "The provider has no room for the request at the moment."),
  provider_invalid_response: reason(502, true, "The provider sent something that is not a valid answer."),
  provider_closed_early: reason(502, true, "The provider ended the answer before it was complete."),
  provider_connect_timeout: reason(504, true, "No connection to the provider came about in time."),
  provider_headers_timeout: reason(504, true, "The provider did not begin to answer in time."),
  provider_token_timeout: reason(504, true, "The provider did not send a token in time."),
  provider_stalled: reason(504, true, "The provider stopped sending."),
  provider_too_slow: reason(504, true, "The provider sent fewer tokens a second than the market accepts."),
  request_timeout: reason(504, true, "The request took longer than the market allows altogether."),
  hedge_lost: reason(503, true, "Another instance was asked as well, and was faster."),
  invalid_signature: reason(401, false, "The signature does not fit the device's key and the message."),
  replayed_message: reason(409, false, "The message carries a sequence number that was used before."),
  stale_message: reason(400, false, "The message was signed too long ago, or in the future."),
  stale_nonce: reason(409, false, "The beat does not carry what the market answered to the beat before it."),
  device_revoked: reason(403, false, "The device has been revoked."),
  device_not_paired: reason(401, false, "The device is paired with no member, and the request carries no API key."),
  key_replaced: reason(401, false, "The device has another key by now."),
  invalid_pairing_code: reason(403, false, "The pairing code is wrong, was used before, or is over."),
  pairing_locked: reason(429, true, "Too many wrong pairing codes were tried of late."),
  too_many_pairings: reason(
    429,
    true,
    "The member, the address or the market has as many pairings under way as it may.",
  ),
  pair_instead: reason(
    410,
    false,
    "GPUs are not registered under this address: their machine is paired with a member.",
  ),
  job_over: reason(
    410,
    false,
    "The job is not this worker's any more: it was handed back, cancelled, or took too long.",
  ),
  invalid_price: reason(400, false, "The price is negative, fractional or outside of what the market allows."),
  too_many_instances: reason(409, false, "The member or the device lists as much as the market takes of one."),
  last_rail: reason(409, false, "It would leave no way in which buyers can pay the instances: one rail stays on."),
  onboarding_needed: reason(409, false, "What this way of being paid needs is not set up yet."),
  provider_name_taken: reason(409, false, "The provider's name belongs to another member."),
  invalid_endpoint: reason(400, false, "The endpoint's URL is not one that the market may call."),
  cloud_token_refused: reason(400, false, "The service does not take the token of the account there."),
  cloud_payment_due: reason(400, false, "The service wants the account there to be paid before it answers again."),
  cloud_rate_limited: reason(503, true, "The service takes no more requests of the account there for the moment."),
  cloud_service_unfit: reason(422, false, "The service could not be asked, or does not serve what the account says."),
  invalid_ticket: reason(401, false, "The ticket was not issued by this market, or has expired."),
  usage_log_forked: reason(409, false, "The device has signed two heads of its usage log that contradict each other."),
  commitment_forked: reason(409, false, "The device has signed two different commitments under one number."),
  invalid_wallet_binding: reason(400, false, "The binding of a wallet to a device does not hold."),
  wallet_not_used: reason(404, false, "This market binds no wallets to devices."),
  invalid_claim: reason(400, false, "The claim does not fit its ticket, or its log."),
  // Entry verification: why a check of an instance failed
  entry_not_public: reason(400, false, "The endpoint's address is not on the public internet."),
  entry_name_unknown: reason(502, true, "The endpoint's host name leads to no address."),
  entry_unreachable: reason(502, true, "Nobody answers at the endpoint."),
  entry_unhealthy: reason(502, true, "The endpoint answers, and does not say that it is well."),
  entry_redirects: reason(502, false, "The endpoint sends who asks it to another address."),
  entry_no_tls: reason(400, false, "The endpoint's URL has no encryption."),
  entry_certificate_expired: reason(502, true, "The endpoint's certificate has expired, or is not valid yet."),
  entry_certificate_self_signed: reason(502, true, "The endpoint's certificate is signed by nobody but itself."),
  entry_certificate_wrong_host: reason(502, true, "The endpoint's certificate is for another host."),
  entry_certificate_untrusted: reason(502, true, "The endpoint's certificate leads to no authority that is trusted."),
  entry_no_handshake: reason(502, true, "The endpoint does not complete the handshake of TLS."),
  entry_no_proof: reason(502, true, "The endpoint does not prove that it has the device's key."),
  entry_wrong_key: reason(502, false, "The endpoint proves a key that is not the device's."),
  entry_no_completion: reason(502, true, "The endpoint did not answer a request for one token."),
  entry_no_stream: reason(502, true, "The endpoint does not send its answer token by token."),
  entry_context_short: reason(502, false, "The endpoint does not take a prompt as long as it declared."),
  entry_concurrency_low: reason(502, true, "The endpoint does not serve as many requests at a time as it declared."),
  entry_region_impossible: reason(400, false, "The endpoint answers sooner than light could from where it says it is."),
  entry_model_unknown: reason(502, false, "The device does not say which weights it serves."),
  entry_model_differs: reason(502, false, "The device serves other weights than it declared."),
  entry_too_large: reason(502, false, "The endpoint sends more than its answer can be."),
  entry_too_slow: reason(504, true, "The endpoint did not finish its answer in time."),
  entry_not_checked: reason(503, true, "What the market asks for could not be checked."),
  // The market itself
  receipt_pending: reason(404, true, "The receipt's batch is not signed yet."),
  service_unavailable: reason(503, true, "A part of the market is down."),
  shutting_down: reason(
    503,
    true,
    "The gateway is stopping: it takes no new requests, and answers under way are cut off and charged as delivered.",
  ),
  client_closed_request: reason(499, false, "The client went away before the answer was complete."),
  internal_error: reason(500, true, "Something failed inside the market. The request was not charged."),
} as const satisfies Record<string, Reason>

/**
 * A stable machine-readable code.
 *
 * @category models
 * @since 0.1.0
 */
export type ReasonCode = keyof typeof reasons

const isCode = (key: string): key is ReasonCode => Object.hasOwn(reasons, key)

/** @since 0.1.0 */
export const ReasonCode = Schema.Literals(Object.keys(reasons).filter(isCode))

/**
 * Reads what a code means.
 *
 * **Example** (Deciding on a retry)
 *
 * ```ts
 * import { Reason } from "@guildhall/core"
 *
 * Reason.describe("rate_limited").isRetryable // => true
 * Reason.describe("insufficient_funds").status // => 402
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const describe = (code: ReasonCode): Reason => reasons[code]
