/** Which methods an address takes, for who asks with another one. */
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { WorkersApi } from "@guildhall/protocol/api/WorkersApi"

const IS_PARAMETER = /^:/

/** The paths with their methods; what has no parameters is looked up by its name, the rest part by part. */
class Addresses {
  readonly #fixed = new Map<string, Set<string>>()
  readonly #open = new Map<string, { readonly parts: ReadonlyArray<string>; readonly methods: Set<string> }>()

  add = ({ endpoint: { method, path } }: { readonly endpoint: HttpApiEndpoint.Top }): void => {
    const parts = path.split("/")
    const isOpen = parts.some((part) => IS_PARAMETER.test(part))
    const known = isOpen ? this.#open.get(path)?.methods : this.#fixed.get(path)
    const methods = known ?? new Set()
    methods.add(method)
    if (isOpen) this.#open.set(path, { parts, methods })
    else this.#fixed.set(path, methods)
  }

  methodsOf(path: string): ReadonlyArray<string> {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return [...fixed]
    const asked = path.split("/")
    const fits = (parts: ReadonlyArray<string>): boolean =>
      parts.length === asked.length &&
      parts.every((part, at) => part === asked[at] || (IS_PARAMETER.test(part) && asked[at] !== ""))
    return [...this.#open.values()].flatMap(({ methods, parts }) => (fits(parts) ? [...methods] : []))
  }
}

/** Makes the look: the methods of an address that the control lane or a lane of workers has, none for any other. */
export const make = () => {
  const addresses = new Addresses()
  const onGroup = () => undefined
  HttpApi.reflect(ControlApi, { onGroup, onEndpoint: addresses.add })
  HttpApi.reflect(WorkersApi, { onGroup, onEndpoint: addresses.add })
  return (path: string): ReadonlyArray<string> => [...new Set(addresses.methodsOf(path))].sort()
}
