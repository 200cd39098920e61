/** Certificates that are made at test time, with openssl. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

export interface Pair {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  /** The authority that a test trusts. */
  readonly authority: string
  /** For `localhost`, by the authority. */
  readonly good: Pair
  readonly selfSigned: Pair
  readonly otherHost: Pair
  readonly expired: Pair
  readonly future: Pair
}

/** `YYYYMMDDHHMMSSZ` */
const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")
const DAY_MS = 86_400_000

export const make = (): Certificates => {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-certificates-"))
  const at = (name: string) => path.join(folder, name)
  const run = (...args: ReadonlyArray<string>) => execFileSync("openssl", [...args], { cwd: folder, stdio: "pipe" })
  const read = (name: string): Pair => ({
    key: readFileSync(at(`${name}.key`), "utf8"),
    cert: readFileSync(at(`${name}.crt`), "utf8"),
  })
  const root = (name: string, subject: string, host?: string) => {
    const names = host === undefined ? [] : ["-addext", `subjectAltName=DNS:${host}`]
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(
      "req",
      "-x509",
      ...key,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.crt`),
      "-days",
      "90",
      "-subj",
      subject,
      ...names,
    )
  }
  /** `ca` takes any dates, which `x509` does not in every version. */
  const signed = (name: string, host: string, fromMs: number, toMs: number): Pair => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-new", ...key, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`), "-subj", `/CN=${host}`)
    writeFileSync(
      at("ca.cnf"),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${at("index.txt")}\nnew_certs_dir=${folder}\nserial=${at("serial")}\ndefault_md=sha256\npolicy=p\ncopy_extensions=none\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:${host}\n`,
    )
    const dates = ["-startdate", stamp(fromMs), "-enddate", stamp(toMs)]
    const by = ["-cert", at("root.crt"), "-keyfile", at("root.key"), "-extensions", "e"]
    run(
      "ca",
      "-batch",
      "-config",
      at("ca.cnf"),
      ...by,
      ...dates,
      "-in",
      at(`${name}.csr`),
      "-out",
      at(`${name}.crt`),
      "-notext",
    )
    return read(name)
  }
  writeFileSync(at("index.txt"), "")
  writeFileSync(at("serial"), "01\n")
  root("root", "/CN=Test authority")
  root("self", "/CN=localhost", "localhost")
  const nowMs = Date.now()
  const made = {
    authority: read("root").cert,
    good: signed("good", "localhost", nowMs - DAY_MS, nowMs + 60 * DAY_MS),
    selfSigned: read("self"),
    otherHost: signed("other", "other.example", nowMs - DAY_MS, nowMs + 60 * DAY_MS),
    expired: signed("expired", "localhost", nowMs - 30 * DAY_MS, nowMs - DAY_MS),
    future: signed("future", "localhost", nowMs + DAY_MS, nowMs + 30 * DAY_MS),
  }
  rmSync(folder, { recursive: true })
  return made
}
