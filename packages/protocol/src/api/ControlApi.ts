/**
 * The control lane: everything that is not inference, as one typed API. The gateway serves it; a client is made of it by
 * `HttpApiClient.make(ControlApi)`.
 *
 * @since 0.1.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { BalanceApi } from "./BalanceApi.ts"
import { CloudApi } from "./CloudApi.ts"
import { DemandApi } from "./DemandApi.ts"
import { DevicesApi } from "./DevicesApi.ts"
import { EarningsApi } from "./EarningsApi.ts"
import { EntriesApi } from "./EntriesApi.ts"
import { Guard } from "./Guard.ts"
import { GpusApi } from "./GpusApi.ts"
import { HealthApi } from "./HealthApi.ts"
import { InstancesApi } from "./InstancesApi.ts"
import { LimitsApi } from "./LimitsApi.ts"
import { MarketApi } from "./MarketApi.ts"
import { MembersApi } from "./MembersApi.ts"
import { WarningsApi } from "./WarningsApi.ts"
import * as OpenApiPage from "./OpenApiPage.ts"
import { OperatorApi } from "./OperatorApi.ts"
import { ProvidersApi } from "./ProvidersApi.ts"
import { RailsApi } from "./RailsApi.ts"
import { ReceiptsApi } from "./ReceiptsApi.ts"
import { RequestsApi } from "./RequestsApi.ts"
import { SettlementsApi } from "./SettlementsApi.ts"

/**
 * The API. JSON in and out; amounts are decimal strings in the asset's smallest unit; errors are problems
 * (`Problem.Problem`).
 *
 * @category apis
 * @since 0.1.0
 */
export class ControlApi extends HttpApi.make("guildhall")
  .add(
    ProvidersApi,
    DemandApi,
    RailsApi,
    EntriesApi,
    EarningsApi,
    WarningsApi,
    InstancesApi,
    GpusApi,
    DevicesApi,
    CloudApi,
    RequestsApi,
    ReceiptsApi,
    BalanceApi,
    SettlementsApi,
    LimitsApi,
    MembersApi,
    OperatorApi,
    MarketApi,
    HealthApi,
  )
  .middleware(Guard)
  .annotate(OpenApi.Title, "Guildhall")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "The control lane of a market in AI inference. Inference itself is OpenAI's API: /v1/chat/completions and /v1/models.",
  )
  // What is transformed is what `OpenApi.fromApi` made; the annotation's type says only that it is an object.
  .annotate(OpenApi.Transform, (made) => ({ ...OpenApiPage.complete(made as OpenApi.OpenAPISpec) })) {}
