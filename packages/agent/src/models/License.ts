/**
 * The licence of a model, as its page states it, and whether one may take it without being asked. Pure.
 *
 * @since 0.1.0
 */

/**
 * A licence. `id` is the hub's word, such as `apache-2.0`, or undefined where the page states none; `title` is how people call it.
 * `isOpen`: it allows use, also for money, with conditions on naming or sharing at most. `forbidsCommerce`: it says
 * that it is not for commercial use.
 *
 * @category models
 * @since 0.1.0
 */
export interface License {
  readonly id: string | undefined
  readonly title: string
  readonly link: string | undefined
  readonly isOpen: boolean
  readonly forbidsCommerce: boolean
}

/** Identifiers of the hub whose licences the Open Source Initiative or Open Definition lists. */
const OPEN = new Set([
  ...[
    "apache-2.0",
    "mit",
    "isc",
    "zlib",
    "unlicense",
    "wtfpl",
    "ncsa",
    "postgresql",
    "ms-pl",
    "afl-3.0",
    "artistic-2.0",
  ],
  ...["bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "ecl-2.0", "epl-1.0", "epl-2.0"],
  ...["eupl-1.1", "eupl-1.2", "mpl-2.0", "osl-3.0", "lppl-1.3c", "ofl-1.1", "cc0-1.0", "pddl", "odc-by", "odbl"],
  ...["gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "cdla-permissive-1.0"],
  ...["cdla-permissive-2.0", "cdla-sharing-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"],
  ...["cc-by-sa-3.0", "cc-by-sa-4.0", "openmdw-1.0", "openmdw-1.1"],
])

/** What the card of a model says of its licence. */
interface Card {
  readonly license?: unknown
  readonly license_name?: unknown
  readonly license_link?: unknown
}

const first = (value: unknown): string | undefined => {
  const one: unknown = Array.isArray(value) ? value[0] : value
  return typeof one === "string" && one.trim() !== "" ? one.trim().slice(0, 200) : undefined
}

/**
 * Reads the licence from a model's card and tags.
 *
 * **Example** (An open one, and one with a name of its own)
 *
 * ```ts
 * import { License } from "@guildhall/agent/models"
 *
 * License.of({ license: "apache-2.0" }, []).isOpen // => true
 * License.of({ license: "other", license_name: "acme-research" }, []).title // => "acme-research"
 * License.of({}, ["license:cc-by-nc-4.0"]).forbidsCommerce // => true
 * License.of({}, []).title // => "no licence stated"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (card: Card | undefined, tags: ReadonlyArray<string>): License => {
  const tagged = tags.find((tag) => tag.startsWith("license:"))?.slice("license:".length)
  const id = (first(card?.license) ?? first(tagged))?.toLowerCase()
  const name = first(card?.license_name)
  const title = id === undefined ? "no licence stated" : id === "other" && name !== undefined ? name : id
  const isOpen = id !== undefined && OPEN.has(id)
  const words = `${id ?? ""} ${name ?? ""}`.toLowerCase()
  return {
    id,
    title,
    link: first(card?.license_link),
    isOpen,
    forbidsCommerce: /(?:^|[^a-z])nc(?:[^a-z]|$)|non-?commercial|research-only|academic/.test(words),
  }
}
