import { cloud } from "./CloudWay.ts"
import * as Scenarios from "./Scenarios.ts"

Scenarios.suite(cloud)
