import * as Rows from "./LedgerRows.ts"
import type { TableNames } from "./LedgerTables.ts"

// Reading and writing a batch are one call each. The planner is told to go by keys in them, and to plan once: it would do
// so while the tables are small, when reading them whole seems best, or else plan every batch anew, which takes longer
// than to write a small one.
const byKeys = `SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET plan_cache_mode = force_generic_plan`

/** Reads rows of these columns, found so, into a variable as text. */
const into = (variable: string, columns: string, from: string): string =>
  `SELECT ${Rows.rowsOf(columns)} INTO ${variable} FROM ${from};`

/** Holds `h` with the leases of their owners. */
const leased = (t: TableNames): string => `${t.holds} h LEFT JOIN ${t.owners} o ON o.book + 0 = b AND o.owner = h.owner`

/** Entries `e` by their numbers, each found by itself. */
const numbered = (t: TableNames): string => `unnest(sequences) AS n(sequence) CROSS JOIN LATERAL
  (SELECT * FROM ${t.entries} e WHERE e.book = b AND e.sequence = n.sequence LIMIT 1) e`

/** A hold's context is the most of it, and read only where the answer has it. */
const heldColumns = Rows.holdColumns("CASE WHEN h.id = ANY(with_context) THEN h.context::text END")

const ownerColumns = (t: TableNames): string => `n.owner, COALESCE(o.until_ms, 0), (SELECT count(*) FROM ${t.holds} h
  WHERE h.book + 0 = b AND h.state = 'pending' AND h.owner = n.owner)`

/**
 * The function that reads what a batch names, and where the book stands: in one moment, since it is stable, and only those
 * parts that are named.
 */
export const read = (t: TableNames): string => `
  CREATE FUNCTION ${t.schema}.ledger_read(
    b int, account_ids text[], hold_ids text[], taken_ids text[], keys text[], owner_ids text[], payable_ids text[],
    asset_codes text[], sequences bigint[], due_limit bigint
  ) RETURNS TABLE (
    token bigint, last_sequence bigint, last_account bigint, last_attachment bigint, last_batch bigint, chain bytea,
    peaks bytea, now_ms bigint, committed_at_ms bigint, resumed_at_ms bigint, closed_until_ms bigint,
    accounts text, holds text, known text, due_ids text, owners text, payouts text, scales text, reversed text
  ) LANGUAGE plpgsql STABLE ROWS 1 ${byKeys} AS $$
  #variable_conflict use_column
  DECLARE
    due text[] := '{}';
    with_context text[] := taken_ids;
    wanted text[] := account_ids;
    of_several bigint;
  BEGIN
    SELECT s.token, s.last_sequence, s.last_account, s.last_attachment, s.last_batch, s.chain, s.peaks,
      -- The book's time never goes back, whatever the server's clock does.
      GREATEST(s.committed_at_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
      s.committed_at_ms, s.resumed_at_ms, s.closed_until_ms, '[]', '[]', '[]', '[]', '[]', '[]'
    INTO token, last_sequence, last_account, last_attachment, last_batch, chain, peaks, now_ms, committed_at_ms,
      resumed_at_ms, closed_until_ms, holds, known, owners, payouts, scales, reversed
    FROM ${t.books} s WHERE s.book = b;
    IF due_limit > 0 THEN
      due := ARRAY(SELECT h.id FROM ${leased(t)}
        WHERE h.book + 0 = b AND h.state = 'pending' AND ${Rows.expiresAtMs} <= ledger_read.now_ms
        ORDER BY ${Rows.expiresAtMs}, h.id LIMIT due_limit);
      hold_ids := hold_ids || due;
      with_context := with_context || due;
    END IF;
    due_ids := to_json(due)::text;
    IF cardinality(hold_ids) > 0 THEN
      SELECT ${Rows.rowsOf(heldColumns)}, wanted || COALESCE(array_agg(h.account), '{}'), count(h.parts)
      INTO holds, wanted, of_several FROM ${leased(t)} WHERE h.book + 0 = b AND h.id = ANY(hold_ids);
      IF of_several > 0 THEN
        wanted := wanted || ARRAY(SELECT p->>0 FROM ${t.holds} h CROSS JOIN LATERAL json_array_elements(h.parts) p
          WHERE h.book + 0 = b AND h.id = ANY(hold_ids) AND h.parts IS NOT NULL);
      END IF;
    END IF;
    IF cardinality(sequences) > 0 THEN
      ${into("reversed", Rows.entryColumns, numbered(t))}
      wanted := wanted || ARRAY(SELECT a.id FROM ${t.accounts} a WHERE a.number = ANY(ARRAY(
        SELECT unnest(e.accounts) FROM ${numbered(t)})));
    END IF;
    SELECT concat('[', string_agg(${Rows.accountJson}, ','), ']') INTO accounts FROM ${t.accounts} a
    WHERE a.book + 0 = b AND a.id = ANY(wanted);
    IF cardinality(keys) > 0 THEN
      ${into("known", "e.key, e.fingerprint, e.sequence::text", `${t.entries} e WHERE e.book + 0 = b AND e.key = ANY(keys)`)}
    END IF;
    IF cardinality(owner_ids) > 0 THEN
      ${into("owners", ownerColumns(t), `unnest(owner_ids) AS n(owner) LEFT JOIN ${t.owners} o ON o.book + 0 = b AND o.owner = n.owner`)}
    END IF;
    IF cardinality(payable_ids) > 0 THEN
      ${into("payouts", Rows.payoutColumns, `unnest(payable_ids) AS n(account) CROSS JOIN LATERAL (SELECT * FROM ${t.payouts} p WHERE p.book + 0 = b AND p.account = n.account ORDER BY p.account DESC, p.to_sequence DESC LIMIT 1) p`)}
    END IF;
    IF cardinality(asset_codes) > 0 THEN
      ${into("scales", "c.asset, c.scale", `${t.assets} c WHERE c.book = b AND c.asset = ANY(asset_codes)`)}
    END IF;
    IF token IS NOT NULL THEN RETURN NEXT; END IF;
  END $$`

/** The function that writes what a batch changed, if nothing else was written since it was read: it says whether. */
export const write = (t: TableNames): string => `
  CREATE FUNCTION ${t.schema}.ledger_write(
    b int, token_before bigint, token_after bigint, sequence bigint, account bigint, attachment bigint, batch bigint,
    chain_after bytea, peaks_after bytea, at_ms bigint, resumed_ms bigint, closed_ms bigint,
    e_key text[], e_fingerprint text[], e_kind text[], e_hold text[], e_detail text[], e_effective bigint[],
    e_accounts text[], e_amounts text[], e_balances text[], m_account bigint[], m_first bigint[], m_more text[],
    a_number bigint[], a_balance numeric[], a_held numeric[],
    h_id text[], h_state text[], h_drawn numeric[], h_claimed boolean[],
    n_id text[], n_account text[], n_amount numeric[], n_drawn numeric[], n_owner text[], n_life int[], n_digest text[],
    n_context text[], n_state text[], n_expires bigint[],
    t_kind text[], t_body text[], batch_root bytea, others text
  ) RETURNS boolean LANGUAGE plpgsql ${byKeys} AS $$
  #variable_conflict use_column
  DECLARE
    first bigint := sequence - cardinality(e_key);
  BEGIN
    UPDATE ${t.books} s SET token = token_after, last_sequence = ledger_write.sequence, last_account = ledger_write.account,
      last_attachment = attachment, last_batch = batch, chain = chain_after, peaks = peaks_after, committed_at_ms = at_ms,
      resumed_at_ms = resumed_ms, closed_until_ms = closed_ms
    WHERE s.book = b AND s.token = token_before;
    IF NOT FOUND THEN RETURN false; END IF;
    -- The next batch need not wait for the disk: the caller does, before it tells anybody.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF others <> '' THEN PERFORM ${t.schema}.ledger_write_others(b, others::json); END IF;
    IF cardinality(e_key) > 0 THEN
      INSERT INTO ${t.entries}
      SELECT b, first + n, k, f, d, h, j, at_ms, w, x::bigint[], y::numeric[], z::numeric[]
      FROM unnest(e_key, e_fingerprint, e_kind, e_hold, e_detail, e_effective, e_accounts, e_amounts, e_balances)
        WITH ORDINALITY AS u(k, f, d, h, j, w, x, y, z, n);
      INSERT INTO ${t.moves} SELECT a, f, m::bigint[] FROM unnest(m_account, m_first, m_more) AS u(a, f, m);
      INSERT INTO ${t.batches} VALUES (b, batch, first + 1, ledger_write.sequence, at_ms, batch_root, chain_after);
    END IF;
    IF cardinality(a_number) > 0 THEN
      UPDATE ${t.accounts} a SET balance = u.y, held = u.z FROM unnest(a_number, a_balance, a_held) AS u(x, y, z)
      WHERE a.number = u.x;
    END IF;
    IF cardinality(h_id) > 0 THEN
      UPDATE ${t.holds} h SET state = u.s, drawn = u.d, claimed = u.c
      FROM unnest(h_id, h_state, h_drawn, h_claimed) AS u(i, s, d, c) WHERE h.book + 0 = b AND h.id = u.i;
    END IF;
    IF cardinality(n_id) > 0 THEN
      INSERT INTO ${t.holds} (book, id, account, amount, drawn, owner, life_ms, definition_digest, context, state,
        claimed, expires_at_ms)
      SELECT b, i, a, m, d, o, l, g, c::json, s, false, e
      FROM unnest(n_id, n_account, n_amount, n_drawn, n_owner, n_life, n_digest, n_context, n_state, n_expires)
        AS u(i, a, m, d, o, l, g, c, s, e);
    END IF;
    IF cardinality(t_kind) > 0 THEN
      INSERT INTO ${t.attachments}
      SELECT b, attachment - cardinality(t_kind) + n, k, j::json, at_ms
      FROM unnest(t_kind, t_body) WITH ORDINALITY AS u(k, j, n);
    END IF;
    RETURN true;
  END $$`

/** The function that writes what few batches change: accounts and terms, owners, payouts, nodes, holds that grew or are of several accounts. */
export const writeOthers = (t: TableNames): string => `
  CREATE FUNCTION ${t.schema}.ledger_write_others(b int, o json) RETURNS void LANGUAGE plpgsql ${byKeys} AS $$
  BEGIN
    IF json_array_length(o->'opened') > 0 THEN
      INSERT INTO ${t.assets} SELECT b, asset, scale FROM json_to_recordset(o->'opened') AS u(asset text, scale int)
      ON CONFLICT DO NOTHING;
      INSERT INTO ${t.accounts} (number, book, id, kind, asset, scale, floor, ceiling, state, balance, held)
      SELECT number, b, id, kind, asset, scale, floor, ceiling, state, balance, held
      FROM json_to_recordset(o->'opened') AS u(number bigint, id text, kind text, asset text, scale int, floor numeric,
        ceiling numeric, state text, balance numeric, held numeric);
    END IF;
    IF json_array_length(o->'terms') > 0 THEN
      UPDATE ${t.accounts} a SET floor = u.floor, ceiling = u.ceiling, state = u.state, balance = u.balance, held = u.held
      FROM json_to_recordset(o->'terms') AS u(number bigint, floor numeric, ceiling numeric, state text, balance numeric,
        held numeric)
      WHERE a.number = u.number;
    END IF;
    IF json_array_length(o->'holds') > 0 THEN
      INSERT INTO ${t.holds} AS h (book, id, account, amount, drawn, asked, parts, owner, life_ms, definition_digest,
        context, state, claimed, expires_at_ms)
      SELECT b, id, account, amount, drawn, asked, parts, owner, life, digest, COALESCE(context::json, 'null'), state, claimed,
        expires
      FROM json_to_recordset(o->'holds') AS u(id text, account text, amount numeric, drawn numeric, asked numeric,
        parts json, owner text, life int, digest text, context text, state text, claimed boolean, expires bigint)
      ON CONFLICT (id, book) DO UPDATE SET account = excluded.account, amount = excluded.amount, drawn = excluded.drawn,
        asked = excluded.asked, parts = excluded.parts, state = excluded.state, claimed = excluded.claimed;
    END IF;
    IF json_array_length(o->'leases') > 0 THEN
      INSERT INTO ${t.owners} SELECT b, owner, until FROM json_to_recordset(o->'leases') AS u(owner text, until bigint)
      ON CONFLICT (owner, book) DO UPDATE SET until_ms = excluded.until_ms;
    END IF;
    IF json_array_length(o->'begun') > 0 THEN
      INSERT INTO ${t.payouts} SELECT b, account, rail, "from", "to", NULLIF("from", 0), carried_in, amount, carried_out,
        hold, state
      FROM json_to_recordset(o->'begun') AS u(account text, rail text, "from" bigint, "to" bigint, carried_in numeric,
        amount numeric, carried_out numeric, hold text, state text);
    END IF;
    IF json_array_length(o->'ended') > 0 THEN
      UPDATE ${t.payouts} p SET state = u.state, carried_out = u.carried_out
      FROM json_to_recordset(o->'ended') AS u(account text, "to" bigint, state text, carried_out numeric)
      WHERE p.book + 0 = b AND p.account = u.account AND p.to_sequence = u."to";
    END IF;
    IF json_array_length(o->'nodes') > 0 THEN
      INSERT INTO ${t.nodes} SELECT b, number, level, index, decode(hash, 'hex')
      FROM json_to_recordset(o->'nodes') AS u(number bigint, level int, index bigint, hash text);
    END IF;
    IF o->>'forgetBeforeMs' IS NOT NULL THEN
      DELETE FROM ${t.owners} w WHERE w.book + 0 = b AND w.until_ms < (o->>'forgetBeforeMs')::bigint
        AND NOT EXISTS (SELECT FROM ${t.holds} h WHERE h.book + 0 = b AND h.state = 'pending' AND h.owner = w.owner);
    END IF;
  END $$`
