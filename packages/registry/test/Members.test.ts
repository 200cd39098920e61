import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Layer } from "effect"
import * as Members from "../src/Members.ts"
import * as MembersSql from "../src/MembersSql.ts"
import * as MembersTest from "../src/testing/MembersTest.ts"

MembersTest.suite("memory", Members.layerMemory)
MembersTest.suite("SQL", MembersSql.layer.pipe(Layer.provide(TestDatabase.layer)))
