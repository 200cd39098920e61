import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Endpoint from "../src/Endpoint.ts"

const isTaken = (url: string, allowPrivate = false) => Result.isSuccess(Endpoint.check(url, { allowPrivate }))

describe("Endpoint", () => {
  it("takes public hosts, however they are written", () => {
    for (const url of [
      "https://gpu.example.com",
      "http://gpu.example.com:8080/v1",
      "https://8.8.8.8",
      "https://[2606:4700:4700::1111]:8443",
      "https://xn--bcher-kva.example/",
    ]) {
      assert.isTrue(isTaken(url), url)
    }
  })

  it("refuses every way to write an address of the market's own network", () => {
    for (const url of [
      "http://localhost",
      "http://LOCALHOST:9000",
      "http://localhost.",
      "http://api.localhost",
      "http://printer.local",
      "http://metadata.google.internal/computeMetadata/v1",
      "http://metadata",
      "http://127.0.0.1",
      "http://127.1",
      "http://2130706433",
      "http://0x7f000001",
      "http://0177.0.0.1",
      "http://0.0.0.0",
      "http://10.1.2.3",
      "http://100.64.0.1",
      "http://169.254.169.254/latest/meta-data",
      "http://172.31.255.255",
      "http://192.168.1.1",
      "http://198.18.0.1",
      "http://224.0.0.1",
      "http://255.255.255.255",
      "http://[::1]",
      "http://[::]",
      "http://[::ffff:127.0.0.1]",
      "http://[::ffff:a9fe:a9fe]",
      "http://[64:ff9b::7f00:1]",
      "http://[2002:7f00:1::]",
      "http://[2001::1]",
      "http://[fd00::1]",
      "http://[fe80::1]",
      "http://[ff02::1]",
      "http://１２７.0.0.1",
    ]) {
      assert.isFalse(isTaken(url), url)
    }
  })

  it("takes private hosts where they are allowed, but still only plain URLs", () => {
    assert.isTrue(isTaken("http://127.0.0.1:9000", true))
    assert.isTrue(isTaken("http://gpu-1:9000/v1", true))
    for (const url of [
      "file:///etc/passwd",
      "http://a:b@127.0.0.1",
      "http://127.0.0.1/?x",
      "http://127.0.0.1/#x",
      "",
    ]) {
      assert.isFalse(isTaken(url, true), url)
    }
  })

  it("answers the URL in one form", () => {
    const normal = Result.getOrThrow(Endpoint.check("HTTPS://GPU.Example.com:443/v1//", { allowPrivate: false }))
    assert.strictEqual(normal, "https://gpu.example.com/v1")
  })
})
