/**
 * The parts that a definition may name here. An embedder's own composition adds theirs to this list.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Parts from "@guildhall/core/Parts"
import * as Account from "@guildhall/ledger/Account"
import * as ApiKeyScheme from "@guildhall/ledger/ApiKeyScheme"
import * as PaymentRail from "@guildhall/ledger/PaymentRail"
import { PaymentError, PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import type { Members } from "@guildhall/registry/Members"
import * as LeastLoaded from "@guildhall/routing/policies/LeastLoaded"

/** API keys of the registry, paying from the balance of the key's member. */
const apiKey = (members: Members["Service"]): Parts.Part =>
  Parts.part(PaymentScheme, {
    name: "ApiKey",
    settings: Schema.Struct({ fundingSource: Schema.optionalKey(Schema.String) }),
    make: ({ fundingSource = "development" }) =>
      ApiKeyScheme.make({
        lookup: (secret) =>
          members.authenticate(secret).pipe(
            Effect.map((key) =>
              key === undefined
                ? undefined
                : {
                    memberId: key.memberId,
                    keyId: key.id,
                    account: Account.ids.buyer(key.memberId),
                    fundingSource,
                    role: key.role,
                    dataCollection: key.dataCollection,
                    terms: key.terms,
                  },
            ),
            Effect.mapError((error) => new PaymentError({ code: "service_unavailable", detail: error.message })),
          ),
      }),
  })

/**
 * Collects the parts over the registry's members.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (members: Members["Service"]): Parts.Parts =>
  Parts.make([LeastLoaded.part, apiKey(members), PaymentRail.developmentPart])
