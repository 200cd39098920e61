import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Layer } from "effect"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as DevicesTest from "../src/testing/DevicesTest.ts"

DevicesTest.suite("memory", Devices.layerMemory({ allowPrivate: false }))
DevicesTest.suite("SQL", DevicesSql.layer({ allowPrivate: false }).pipe(Layer.provide(TestDatabase.layer)))
