import { plain } from "./PlainWay.ts"
import * as Scenarios from "./Scenarios.ts"

Scenarios.suite(plain)
