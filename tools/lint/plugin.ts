/**
 * Rules of this house that no linter brings along, as a plugin for oxlint. An exception is a comment with a reason:
 * `// oxlint-disable-next-line guildhall/no-ambient -- the byte path cannot pay for a fiber here`.
 */

/** The little of ESTree that the rules look at. */
interface Node {
  readonly type: string
  readonly name?: string
  readonly value?: unknown
  readonly key?: Node
  readonly id?: Node
  readonly computed?: boolean
  readonly expression?: Node
  readonly object?: Node
  readonly property?: Node
  readonly callee?: Node
  readonly arguments?: ReadonlyArray<Node>
  readonly typeAnnotation?: Node
  readonly types?: ReadonlyArray<Node>
  readonly declaration?: Node | null
}

interface Comment {
  readonly type: string
  readonly value: string
}

interface RuleContext {
  readonly report: (problem: { readonly node: unknown; readonly message: string }) => void
  readonly sourceCode: {
    readonly getAllComments: () => ReadonlyArray<Comment>
    readonly getCommentsBefore: (node: Node) => ReadonlyArray<Comment>
  }
}

interface Rule {
  readonly meta: { readonly docs: { readonly description: string } }
  readonly create: (context: RuleContext) => Readonly<Record<string, (node: Node) => void>>
}

const rule = (description: string, create: Rule["create"]): Rule => ({ meta: { docs: { description } }, create })

const isNamed = (node: Node | undefined, name: string): boolean => node?.type === "Identifier" && node.name === name

/** `object.property` as text, for plain names. */
const member = (node: Node | undefined): string | undefined =>
  node?.type === "MemberExpression" && node.object?.type === "Identifier" && node.property?.type === "Identifier"
    ? `${node.object.name}.${node.property.name}`
    : undefined

const isAmountName = (node: Node | undefined): boolean =>
  node?.type === "Identifier" && /^amounts?$|Amounts?$/.test(node.name ?? "")

const isNumberType = (node: Node | undefined): boolean =>
  node?.type === "TSNumberKeyword" || (node?.type === "TSUnionType" && node.types?.some(isNumberType) === true)

/** `Schema.Number`, `Schema.Int`, `Schema.Finite`, also wrapped: `Schema.optionalKey(Schema.Number)`. */
const isNumberSchema = (node: Node | undefined): boolean =>
  ["Schema.Number", "Schema.Int", "Schema.Finite"].includes(member(node) ?? "") ||
  (node?.type === "CallExpression" && node.arguments?.some(isNumberSchema) === true)

const noNumberAmount = rule("an amount is a bigint", (context) => {
  const message = "An amount is a bigint in the asset's smallest unit, never a number."
  const typed = (name: Node | undefined, node: Node): void => {
    if (isAmountName(name) && isNumberType(node.typeAnnotation?.typeAnnotation)) context.report({ node, message })
  }
  return {
    TSPropertySignature: (node) => typed(node.key, node),
    PropertyDefinition: (node) => typed(node.key, node),
    Identifier: (node) => typed(node, node),
    Property: (node) => {
      const value = node.value
      // ESTree says a property's value is a node; here it is unknown because a literal's value is anything.
      if (isAmountName(node.key) && isNumberSchema(value as Node | undefined)) context.report({ node, message })
    },
  }
})

const noDoubleAssertion = rule("no assertion through unknown", (context) => ({
  TSAsExpression: (node) => {
    if (node.expression?.type !== "TSAsExpression") return
    context.report({ node, message: "`as … as …` believes anything. Decode the value, or narrow it with a check." })
  },
}))

const ambient: Readonly<Record<string, string>> = {
  "Date.now": "effect's Clock",
  "Math.random": "effect's Random, or a seed that is passed in",
  "performance.now": "effect's Clock",
}
const timers = ["setTimeout", "setInterval", "setImmediate"]

const noAmbient = rule("time and chance come from services, so that tests decide them", (context) => ({
  CallExpression: (node) => {
    const called = member(node.callee)
    const instead = called === undefined ? undefined : ambient[called]
    if (instead !== undefined) context.report({ node, message: `${called}() cannot be tested. Use ${instead}.` })
    const timer = timers.find((name) => isNamed(node.callee, name))
    if (timer !== undefined)
      context.report({ node, message: `${timer}() cannot be tested. Use effect's Schedule or sleep.` })
  },
  NewExpression: (node) => {
    if (isNamed(node.callee, "Date")) {
      context.report({
        node,
        message: "new Date() reads the machine's clock and zone. Use effect's DateTime or Clock.",
      })
    }
  },
}))

const reasonedDisable = rule("an exception has a reason", (context) => ({
  Program: (node) => {
    for (const { value } of context.sourceCode.getAllComments()) {
      if (!/^\s*(oxlint|eslint)-disable/.test(value) || / -- \S+/.test(value)) continue
      context.report({ node, message: `Say why: "${value.trim()} -- <reason>".` })
    }
  },
}))

/** Public means exported by a package: what stands in `internal` folders is not. */
const documentedExport = rule("a public export says what it is, and since when it exists", (context) => ({
  ExportNamedDeclaration: (node) => {
    if (node.declaration === null || node.declaration === undefined) return
    const comment = context.sourceCode.getCommentsBefore(node).at(-1)
    if (comment?.type === "Block" && comment.value.startsWith("*") && comment.value.includes("@since")) return
    context.report({
      node,
      message: "A public export has JSDoc: what it is, shapes, units, errors, @category and @since.",
    })
  },
}))

export default {
  meta: { name: "guildhall" },
  rules: {
    "no-number-amount": noNumberAmount,
    "no-double-assertion": noDoubleAssertion,
    "no-ambient": noAmbient,
    "reasoned-disable": reasonedDisable,
    "documented-export": documentedExport,
  },
}
