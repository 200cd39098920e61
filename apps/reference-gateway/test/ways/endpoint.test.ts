import { endpoint } from "./AgentWays.ts"
import * as Scenarios from "./Scenarios.ts"

Scenarios.suite(endpoint)
