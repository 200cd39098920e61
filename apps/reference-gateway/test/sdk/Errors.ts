/** What a promise fails with. */
import { assert } from "@effect/vitest"

interface Class<E> {
  readonly name: string
  new (...args: never): E
}

/** Waits for a failure of a class. */
export const failure = async <E>(attempt: PromiseLike<unknown>, type: Class<E>): Promise<E> => {
  const error: unknown = await attempt.then(
    () => assert.fail(`It did not fail, least of all with ${type.name}.`),
    (error: unknown) => error,
  )
  if (!(error instanceof type)) throw new Error(`Not ${type.name} but ${String(error)}`, { cause: error })
  return error
}
