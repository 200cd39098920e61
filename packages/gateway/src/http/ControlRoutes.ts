/**
 * Mounts the control lane on an Effect `HttpRouter`: the API, its OpenAPI document and page, and the metrics.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import * as BalanceRoutes from "./BalanceRoutes.ts"
import * as BodyGuard from "./BodyGuard.ts"
import * as CloudRoutes from "./CloudRoutes.ts"
import * as DemandRoutes from "./DemandRoutes.ts"
import * as DevicesRoutes from "./DevicesRoutes.ts"
import * as EarningsRoutes from "./EarningsRoutes.ts"
import * as EntriesRoutes from "./EntriesRoutes.ts"
import * as GpusRoutes from "./GpusRoutes.ts"
import * as HealthRoutes from "./HealthRoutes.ts"
import * as InstancesRoutes from "./InstancesRoutes.ts"
import * as KeyAccess from "./KeyAccess.ts"
import * as LimitsRoutes from "./LimitsRoutes.ts"
import * as MarketRoutes from "./MarketRoutes.ts"
import * as MembersRoutes from "./MembersRoutes.ts"
import * as MetricsRoutes from "./MetricsRoutes.ts"
import * as WarningsRoutes from "./WarningsRoutes.ts"
import * as OperatorRoutes from "./OperatorRoutes.ts"
import * as ProvidersRoutes from "./ProvidersRoutes.ts"
import * as RailsRoutes from "./RailsRoutes.ts"
import * as ReceiptsRoutes from "./ReceiptsRoutes.ts"
import * as RequestsRoutes from "./RequestsRoutes.ts"
import * as SettlementsRoutes from "./SettlementsRoutes.ts"

/**
 * The handlers of every group, for a host that mounts `ControlApi` itself.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHandlers = Layer.mergeAll(
  ProvidersRoutes.layer,
  DemandRoutes.layer,
  RailsRoutes.layer,
  EntriesRoutes.layer,
  EarningsRoutes.layer,
  WarningsRoutes.layer,
  InstancesRoutes.layer,
  GpusRoutes.layer,
  DevicesRoutes.layer,
  CloudRoutes.layer,
  RequestsRoutes.layer,
  ReceiptsRoutes.layer,
  BalanceRoutes.layer,
  SettlementsRoutes.layer,
  LimitsRoutes.layer,
  MembersRoutes.layer,
  OperatorRoutes.layer,
  MarketRoutes.layer,
  HealthRoutes.layer,
).pipe(Layer.provide([BodyGuard.layer, KeyAccess.layer]))

/** Keys are typed into this page: it asks nobody but its market, and offers no services of others. */
const page = {
  telemetry: false,
  withDefaultFonts: false,
  showDeveloperTools: "never",
  hideClientButton: true,
}

/**
 * The whole lane: the API, `/openapi.json`, its page at `/docs`, and Prometheus' metrics at `/metrics`, for an
 * operator's key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  HttpApiBuilder.layer(ControlApi, { openapiPath: "/openapi.json" }).pipe(Layer.provide(layerHandlers)),
  HttpApiScalar.layer(ControlApi, { path: "/docs", scalar: page }),
  MetricsRoutes.layer,
)
