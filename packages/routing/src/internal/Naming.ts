import { ofId } from "../Draw.ts"

const digest = (text: string): string => (ofId(text) >>> 0).toString(36)

/** The name of a policy with settings: with other settings it is another policy, as for who computes a decision again. */
export const withSettings = (name: string, settings: object, usual: object): string => {
  const text = JSON.stringify(settings)
  return text === JSON.stringify(usual) ? name : `${name}~${digest(text)}`
}

/** The name of what is made of others. Names stand in each receipt, so they are short. */
export const made = (name: string, of: ReadonlyArray<string>): string => `${name}~${digest(of.join(", "))}`

/** A policy as it is named in what is made of it. */
export const one = ({ name, version }: { readonly name: string; readonly version: number }): string =>
  `${name}@${version}`
