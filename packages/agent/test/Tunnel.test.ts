import { assert, describe, it } from "@effect/vitest"
import { opensTunnel } from "../src/Agent.ts"

const home = { marketUrl: "https://market.example", host: "127.0.0.1", publicUrl: undefined, tunnel: undefined }

describe("an agent opens a tunnel", () => {
  it("where its market is elsewhere and nobody could call it", () => {
    assert.isTrue(opensTunnel(home))
    assert.isTrue(opensTunnel({ ...home, host: "0.0.0.0" }))
  })
  it("where it is told to, and nowhere else", () => {
    assert.isTrue(opensTunnel({ ...home, marketUrl: "http://127.0.0.1:8787", tunnel: true }))
    assert.isFalse(opensTunnel({ ...home, tunnel: false }))
  })
  it("not where its market is on the same machine, or it can be called", () => {
    for (const marketUrl of ["http://127.0.0.1:8787", "http://localhost:8787", "http://[::1]:8787"]) {
      assert.isFalse(opensTunnel({ ...home, marketUrl }), marketUrl)
    }
    assert.isFalse(opensTunnel({ ...home, publicUrl: "https://gpu.example" }))
    assert.isFalse(opensTunnel({ ...home, host: "192.0.2.7" }))
  })
})
