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
  readonly typeArguments?: Node | null
  readonly params?: ReadonlyArray<Node>
  readonly elementType?: Node
  readonly left?: Node
  readonly right?: Node
  readonly properties?: ReadonlyArray<Node>
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

/** Names that are amounts wherever they stand: what accounts have, hold, owe and may have, and what moves. */
const amountName =
  /^(amounts?|balances?|held|drawn|owed|floor|ceiling|credits?|debits?|carriedIn|carriedOut)$|(Amounts?|Balances?)$/

const isAmountName = (node: Node | undefined): boolean =>
  node?.type === "Identifier" && amountName.test(node.name ?? "")

/** As a property of a thing, `minimum` is the least amount of it; as a parameter, it may be any range's. */
const isAmountProperty = (node: Node | undefined): boolean => isAmountName(node) || isNamed(node, "minimum")

/** `number`, also as a part: `number | null`, `ReadonlyArray<number>`, `number[]`. */
const isNumberType = (node: Node | undefined): boolean => {
  switch (node?.type) {
    case "TSNumberKeyword":
      return true
    case "TSUnionType":
      return node.types?.some(isNumberType) === true
    case "TSArrayType":
      return isNumberType(node.elementType)
    case "TSTypeReference":
      return node.typeArguments?.params?.some(isNumberType) === true
    default:
      return false
  }
}

/** `Schema.Number`, `Schema.Int`, `Schema.Finite`, also wrapped: `Schema.optionalKey(Schema.Int)`, `Schema.Int.pipe(…)`. */
const isNumberSchema = (node: Node | undefined): boolean => {
  if (["Schema.Number", "Schema.Int", "Schema.Finite"].includes(member(node) ?? "")) return true
  if (node?.type !== "CallExpression") return false
  const { callee } = node
  const piped = callee?.type === "MemberExpression" && isNamed(callee.property, "pipe") ? callee.object : undefined
  return isNumberSchema(piped) || node.arguments?.some(isNumberSchema) === true
}

const noNumberAmount = rule("an amount is a bigint", (context) => {
  const message = "An amount is a bigint in the asset's smallest unit, never a number."
  const typed = (isAmount: boolean, node: Node): void => {
    if (isAmount && isNumberType(node.typeAnnotation?.typeAnnotation)) context.report({ node, message })
  }
  return {
    TSPropertySignature: (node) => typed(isAmountProperty(node.key), node),
    PropertyDefinition: (node) => typed(isAmountProperty(node.key), node),
    Identifier: (node) => typed(isAmountName(node), node),
    AssignmentPattern: (node) => {
      if (isAmountName(node.left) && typeof node.right?.value === "number") context.report({ node, message })
    },
    Property: (node) => {
      const value = node.value
      // ESTree says a property's value is a node; here it is unknown because a literal's value is anything.
      if (isAmountProperty(node.key) && isNumberSchema(value as Node | undefined)) context.report({ node, message })
    },
  }
})

/** The object at the left end of `a.b(…).c(…)`. */
const leftmost = (node: Node | undefined): Node | undefined =>
  node?.type === "CallExpression"
    ? leftmost(node.callee)
    : node?.type === "MemberExpression"
      ? leftmost(node.object)
      : node

const noHandmadeLegs = rule("legs are made by a template", (context) => ({
  ObjectExpression: (node) => {
    for (const property of node.properties ?? []) {
      const { key } = property
      if (property.computed === true || !(isNamed(key, "legs") || key?.value === "legs")) continue
      // ESTree says a property's value is a node; here it is unknown because a literal's value is anything.
      const value = property.value as Node | undefined
      // A schema only says what legs look like.
      if (isNamed(leftmost(value), "Schema")) continue
      context.report({
        node: property,
        message: "Legs are not made by hand. Take a template of @guildhall/ledger/templates, or Pool.postings.",
      })
    }
  },
}))

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
    "no-handmade-legs": noHandmadeLegs,
    "no-double-assertion": noDoubleAssertion,
    "no-ambient": noAmbient,
    "reasoned-disable": reasonedDisable,
    "documented-export": documentedExport,
  },
}
