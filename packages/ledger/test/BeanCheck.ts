/**
 * What bean-check does, as far as the exports use it, written from beancount's own grammar and without a line of the exporter:
 * every directive must parse, accounts must be open when they are used, transactions must sum to zero for each commodity,
 * and balances must hold at the beginning of their day. Answers the problems.
 */

const account = String.raw`(?:Assets|Liabilities|Equity|Income|Expenses)(?::[A-Z0-9][A-Za-z0-9-]*)+`
const currency = String.raw`[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]|[A-Z]`
const number = String.raw`-?\d+(?:\.\d+)?`
const text = String.raw`"(?:[^"\\]|\\.)*"`
const forms = {
  open: new RegExp(`^open (${account})(?: +(${currency}))?$`),
  close: new RegExp(`^close (${account})$`),
  commodity: new RegExp(`^commodity (${currency})$`),
  balance: new RegExp(`^balance (${account}) +(${number}) (${currency})$`),
  custom: new RegExp(`^custom ${text}(?: ${text})*$`),
  transaction: new RegExp(String.raw`^\* (${text})$`),
}
const metadata = new RegExp(String.raw`^  ([a-z][a-zA-Z0-9_-]+): (${text}|${number})$`)
const leg = new RegExp(`^  (${account}) +(${number}) (${currency})$`)

interface Directive {
  readonly day: string
  readonly kind: keyof typeof forms
  readonly fields: ReadonlyArray<string>
  readonly line: number
  readonly metadata: Map<string, string>
  readonly legs: Array<{ readonly account: string; readonly amount: string; readonly currency: string }>
}

/** In a day, accounts open first and close last, and balances come before what happens. */
const order = { open: -2, balance: -1, commodity: 0, custom: 0, transaction: 0, close: 2 }

const SCALE = 40
/** A decimal in units of its fortieth place, so that all scales add up. */
const units = (decimal: string): bigint => {
  const [whole = "", fraction = ""] = decimal.replace("-", "").split(".")
  const amount = BigInt(whole + fraction.padEnd(SCALE, "0"))
  return decimal.startsWith("-") ? -amount : amount
}

const parse = (source: string, problems: Array<string>): ReadonlyArray<Directive> => {
  const directives: Array<Directive> = []
  source.split("\n").forEach((line, at) => {
    const wrong = (why: string) => problems.push(`line ${at + 1}: ${why}: ${line}`)
    const last = directives.at(-1)
    if (line === "") return
    if (line.startsWith(" ")) {
      const [, key, value] = metadata.exec(line) ?? []
      const [, name, amount, unit] = leg.exec(line) ?? []
      if (last === undefined) wrong("nothing to belong to")
      else if (key !== undefined && value !== undefined) last.metadata.set(key, value)
      else if (name !== undefined && amount !== undefined && unit !== undefined && last.kind === "transaction")
        last.legs.push({ account: name, amount, currency: unit })
      else wrong("neither metadata nor a leg")
      return
    }
    const [, day, rest = ""] = /^(\d{4}-\d{2}-\d{2}) (.+)$/.exec(line) ?? []
    const kind = Object.entries(forms).find(([, form]) => form.test(rest))
    if (day === undefined || kind === undefined) return void wrong("not a directive")
    const name = Object.keys(forms).find((each): each is keyof typeof forms => each === kind[0])
    if (name === undefined) return
    const fields = (kind[1].exec(rest) ?? []).slice(1)
    directives.push({ day, kind: name, fields, line: at + 1, metadata: new Map(), legs: [] })
  })
  return directives
}

const byDay = (a: Directive, b: Directive): number =>
  a.day === b.day ? order[a.kind] - order[b.kind] || a.line - b.line : a.day < b.day ? -1 : 1

/** Checks a file. */
export const check = (source: string) => {
  const problems: Array<string> = []
  const directives = [...parse(source, problems)].sort(byDay)
  const open = new Map<string, string | undefined>()
  const balances = new Map<string, bigint>()
  const use = (name: string, unit: string, line: number) => {
    if (!open.has(name)) problems.push(`line ${line}: ${name} is not open`)
    else if (open.get(name) !== undefined && open.get(name) !== unit)
      problems.push(`line ${line}: ${name} has no ${unit}`)
  }
  for (const { fields, kind, legs, line } of directives) {
    const [name = "", amount = "", unit = ""] = fields
    if (kind === "open") {
      if (open.has(name)) problems.push(`line ${line}: ${name} is open already`)
      open.set(name, fields[1])
    } else if (kind === "close") {
      if (!open.delete(name)) problems.push(`line ${line}: ${name} is not open`)
    } else if (kind === "balance") {
      use(name, unit, line)
      const found = balances.get(`${name} ${unit}`) ?? 0n
      if (found !== units(amount)) problems.push(`line ${line}: ${name} has ${found}, not ${units(amount)}`)
    } else if (kind === "transaction") {
      const sums = new Map<string, bigint>()
      for (const each of legs) {
        use(each.account, each.currency, line)
        const key = `${each.account} ${each.currency}`
        balances.set(key, (balances.get(key) ?? 0n) + units(each.amount))
        sums.set(each.currency, (sums.get(each.currency) ?? 0n) + units(each.amount))
      }
      for (const [each, sum] of sums) if (sum !== 0n) problems.push(`line ${line}: sums to ${sum} ${each}`)
      if (legs.length < 2) problems.push(`line ${line}: has ${legs.length} legs`)
    }
  }
  return { problems, directives }
}
