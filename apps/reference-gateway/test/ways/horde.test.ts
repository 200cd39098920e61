import { horde } from "./HordeWay.ts"
import * as Scenarios from "./Scenarios.ts"

Scenarios.suite(horde)
