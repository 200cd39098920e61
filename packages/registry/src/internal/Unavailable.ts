import { RegistryError } from "../RegistryError.ts"

/** What the registry says when its store did not answer. */
export const unavailable = (cause: unknown): RegistryError =>
  new RegistryError({
    code: "service_unavailable",
    detail: "The registry's store did not answer. Try again once the database is back.",
    cause,
  })

/** What the registry says when its store holds what it cannot read. */
export const corrupt = (cause: unknown): RegistryError =>
  new RegistryError({
    code: "internal_error",
    detail: "The registry holds a row that cannot be read. Restore the registry's tables from a backup.",
    cause,
  })
