#!/usr/bin/env node
// Lets forge use the compiler from npm: answers the two questions that forge asks a `solc` program.
"use strict"
const { readFileSync } = require("node:fs")
const path = require("node:path")
const solc = require("solc")

const version = () =>
  // forge takes only versions that look like a native build.
  `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace("Emscripten.clang", "Linux.g++")}\n`

/** A file outside forge's root has a relative name here and a whole one there; the compiler gets whole ones, forge its own back. */
const compile = (input) => {
  const names = new Map()
  const whole = (name) => {
    if (!name.startsWith("..")) return name
    const found = path.resolve(__dirname, name)
    names.set(found, name)
    return found
  }
  const renamed = (record, rename) => Object.fromEntries(Object.entries(record ?? {}).map(([k, v]) => [rename(k), v]))
  input.sources = renamed(input.sources, whole)
  input.settings.outputSelection = renamed(input.settings.outputSelection, whole)
  input.settings.remappings = (input.settings.remappings ?? []).map((remapping) => {
    const [prefix, target] = remapping.split("=")
    return `${prefix}=${path.resolve(__dirname, target)}/`
  })
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const own = (name) => names.get(name) ?? name
  output.sources = renamed(output.sources, own)
  output.contracts = renamed(output.contracts, own)
  return JSON.stringify(output)
}

process.stdout.write(process.argv.includes("--version") ? version() : compile(JSON.parse(readFileSync(0, "utf8"))))
