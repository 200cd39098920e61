/**
 * The page of the API: what its shapes alone do not tell. Each operation gets a description and an example, and what the gateway serves
 * beside the control lane stands on it too.
 *
 * @since 0.1.0
 */
import * as OpenApi from "effect/http-api/OpenApi"
import { buyerPages } from "../internal/pages/Buyers.ts"
import { devicePages } from "../internal/pages/Devices.ts"
import { operatorPages } from "../internal/pages/Operators.ts"
import { BYTES, type Page, type Pages } from "../internal/pages/Page.ts"
import { providerPages } from "../internal/pages/Providers.ts"
import * as Samples from "../internal/pages/Samples.ts"
import { workerPages } from "../internal/pages/Workers.ts"
import { WorkersApi } from "./WorkersApi.ts"

/**
 * What the page says of each operation, by its method in capitals and its path with parameters in braces.
 *
 * @category constants
 * @since 0.1.0
 */
export const pages: Pages = { ...providerPages, ...devicePages, ...workerPages, ...buyerPages, ...operatorPages }

type Specification = OpenApi.OpenAPISpec
type Operation = OpenApi.OpenAPISpecOperation

const METHODS = ["get", "post", "put", "patch", "delete"] as const

const KEYS = {
  provider: `-H "Authorization: Bearer $GUILDHALL_PROVIDER_KEY"`,
  operator: `-H "Authorization: Bearer $GUILDHALL_OPERATOR_KEY"`,
  buyer: `-H "Authorization: Bearer $GUILDHALL_API_KEY"`,
} as const

/** The operation as a call from a shell. A body of JSON stands in single quotes, so it holds none. */
const call = (method: string, path: string, { body, key, query = "" }: Page): string => {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => Samples.inPath(path, name))
  const parts = [`curl -X ${method} "$MARKET${url}${query}"`]
  if (path.startsWith("/api/v2/")) parts.push(`-H "apikey: $GUILDHALL_PROVIDER_KEY"`)
  if (key !== undefined && key !== "device") parts.push(KEYS[key])
  if (body === BYTES) parts.push(`--data-binary ${BYTES}`)
  else if (body !== undefined)
    parts.push(`-H "Content-Type: application/json"`, `-d '${JSON.stringify(body, null, 2)}'`)
  const text = parts.join(" \\\n  ")
  return key === "device"
    ? `# The device signs it: add the headers guildhall-device, -signature, -issued-at, -sequence.\n${text}`
    : text
}

const withExample = (content: OpenApi.OpenApiSpecContent, example: Page["body"]): OpenApi.OpenApiSpecContent =>
  Object.fromEntries(
    Object.entries(content).map(([type, shape]) => [type, { ...shape, examples: { one: { value: example } } }]),
  )

/** An operation with its text and its examples. What it says of itself comes first. */
const written = (operation: Operation, method: string, path: string): Operation => {
  const page = pages[`${method} ${path}`]
  if (page === undefined) return operation
  const { description, requestBody, responses } = operation
  const first = Object.keys(responses).map(Number)[0]
  const answer = first === undefined ? undefined : responses[first]
  return {
    ...operation,
    description: description === undefined ? page.text : `${description}\n\n${page.text}`,
    ...(page.body === undefined || page.body === BYTES || requestBody === undefined
      ? {}
      : { requestBody: { ...requestBody, content: withExample(requestBody.content, page.body) } }),
    ...(page.answer === undefined || first === undefined || answer?.content === undefined
      ? {}
      : { responses: { ...responses, [first]: { ...answer, content: withExample(answer.content, page.answer) } } }),
    ...{ "x-codeSamples": [{ lang: "Shell", label: "curl", source: call(method, path, page) }] },
  }
}

/**
 * The specification with everything that the page shows.
 *
 * @category rules
 * @since 0.1.0
 */
export const complete = (specification: Specification): Specification => {
  const workers = OpenApi.fromApi(WorkersApi)
  const all = { ...specification.paths, ...workers.paths }
  const paths = Object.entries(all).map(([path, item]) => {
    const operations = METHODS.flatMap((method) => {
      const operation = item[method]
      return operation === undefined ? [] : [[method, written(operation, method.toUpperCase(), path)] as const]
    })
    return [path, { ...item, ...Object.fromEntries(operations) }] as const
  })
  return {
    ...specification,
    tags: [...specification.tags, ...workers.tags],
    components: {
      ...specification.components,
      schemas: { ...workers.components.schemas, ...specification.components.schemas },
    },
    paths: Object.fromEntries(paths),
  }
}
