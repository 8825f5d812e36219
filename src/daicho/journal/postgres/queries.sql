-- Every statement of the journal, by name. `$schema` stands for the name of its schema, `$columns` and
-- `$unsettled` for the fragments of these names.

-- name: append_one
SELECT * FROM $schema.append_one($1, $2, $3, $4, $5, $6)

-- name: append_plain
-- One write to each stream, with events alone that have no ids of others, as most are: each array that
-- is sent takes time.
SELECT * FROM $schema.append(
    $1, $2, $3,
    array_fill(true, ARRAY[cardinality($1::text[])]), array_fill(false, ARRAY[cardinality($1::text[])]),
    '{}', '{}', $4, $5, $6, $7, $8, $9, NULL, NULL, NULL,
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
)

-- name: append
SELECT * FROM $schema.append(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
    $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30
)

-- name: bounds
-- Up to `top` nothing can come any more, `newest` is the last position that there is, and `settled` the
-- last one that a reader can be sure of.
WITH bound AS MATERIALIZED (
    SELECT last_position, $schema.settled_position() AS top FROM $schema.journal
)
SELECT
    top,
    $schema.newest_position() AS newest,
    greatest(
        least(last_position, top),
        (SELECT max(position) FROM $schema.event WHERE position <= top)
    ) AS settled
FROM bound

-- name: columns
-- The rows that were found as one row. They come in the order of the statement that finds them, because
-- that has a LIMIT. What only a whole record has is packed, and taken apart when one is asked for.
    count(*) AS size,
    string_agg(int8send(version), ''::bytea) AS versions,
    CASE WHEN min(type_name) = max(type_name) THEN array[min(type_name)] ELSE array_agg(type_name) END
        AS type_names,
    array_agg(payload) AS payloads,
    string_agg(int8send(position), ''::bytea) AS positions,
    string_agg(event_id, ''::bytea) AS event_ids,
    string_agg(int8send(time_us), ''::bytea) AS times_us,
    CASE WHEN count(correlation_id) > 0 THEN array_agg(correlation_id) END AS correlation_ids,
    CASE WHEN count(causation_id) > 0 THEN array_agg(causation_id) END AS causation_ids,
    CASE WHEN count(command_id) > 0 THEN array_agg(command_id) END AS command_ids

-- name: page_of_stream
SELECT $columns
FROM (
    SELECT *
    FROM $schema.event
    WHERE
        stream_id = (SELECT id FROM $schema.stream WHERE name = $1)
        AND version BETWEEN $2 AND $3
    ORDER BY version
    LIMIT $4
) AS found

-- name: page_of_all
SELECT $columns, array_agg(name) AS streams
FROM (
    SELECT event.*, stream.name
    FROM (
        SELECT *
        FROM $schema.event
        WHERE position > $1 AND position <= $2
        ORDER BY position
        LIMIT $3
    ) AS event
    JOIN $schema.stream ON stream.id = event.stream_id
    ORDER BY position
) AS found

-- name: page_of_types
-- Of so many events, because none of these types may come for a long time. The position up to which it
-- has looked comes last.
WITH part AS MATERIALIZED (
    SELECT coalesce(
        (
            SELECT position
            FROM $schema.event
            WHERE position > $1 AND position <= $2
            ORDER BY position
            OFFSET $5 LIMIT 1
        ),
        $2
    ) AS until
)
SELECT $columns, array_agg(name) AS streams, (SELECT until FROM part) AS until
FROM (
    SELECT event.*, stream.name
    FROM (
        SELECT *
        FROM $schema.event
        WHERE
            position > $1 AND position <= (SELECT until FROM part) AND type_name = ANY ($4)
        ORDER BY position
        LIMIT $3
    ) AS event
    JOIN $schema.stream ON stream.id = event.stream_id
    ORDER BY position
) AS found

-- name: load
-- A stream, its newest snapshot that is not ahead of it and the events after that; no row if there is
-- no such stream. One statement sees one moment.
WITH
head AS MATERIALIZED (
    SELECT
        id, truncated_to,
        greatest(
            truncated_to, (SELECT max(version) FROM $schema.event WHERE stream_id = stream.id)
        ) AS version
    FROM $schema.stream
    WHERE name = $1
),
taken AS MATERIALIZED (
    SELECT version, type_name, payload, time_us
    FROM $schema.snapshot
    WHERE stream = $1 AND version BETWEEN 1 AND least($2, (SELECT version FROM head))
    ORDER BY version DESC
    LIMIT 1
),
page AS MATERIALIZED (
    SELECT $columns
    FROM (
        SELECT *
        FROM $schema.event
        WHERE
            stream_id = (SELECT id FROM head)
            AND version > coalesce((SELECT version FROM taken), 0)
        ORDER BY version
        LIMIT $3
    ) AS found
)
SELECT
    page.*,
    head.version AS head_version, head.truncated_to,
    taken.version, taken.type_name, taken.payload, taken.time_us
FROM head
CROSS JOIN page
LEFT JOIN taken ON true

-- name: stream_info
SELECT stream, version, truncated_to
FROM $schema.streams
WHERE stream = $1

-- name: list_streams
-- What begins with the prefix, and what comes before all that is after that.
SELECT stream, version, truncated_to
FROM $schema.streams
WHERE stream > $1 AND stream >= $2 AND stream < $3
ORDER BY stream
LIMIT $4

-- name: list_last_streams
-- Where nothing can come after all that begins with the prefix.
SELECT stream, version, truncated_to
FROM $schema.streams
WHERE stream > $1 AND stream >= $2
ORDER BY stream
LIMIT $3

-- name: load_snapshot
SELECT stream, version, type_name, payload, time_us
FROM $schema.snapshot
WHERE stream = $1 AND version <= $2
ORDER BY version DESC
LIMIT 1

-- name: list_snapshots
SELECT stream, version, type_name, payload, time_us
FROM $schema.snapshot
WHERE stream = $1
ORDER BY version DESC

-- name: unsettled
-- Streams with events that readers of the whole journal do not see yet, and the first version of these.
    SELECT stream.name, min(event.version) AS version
    FROM $schema.event
    JOIN $schema.stream ON stream.id = event.stream_id
    WHERE event.position > (SELECT $schema.settled_position())
    GROUP BY stream.name

-- name: list_all_snapshots
-- Nothing is shown that rests on an event which read_all does not show.
WITH unsettled AS MATERIALIZED ($unsettled)
SELECT stream, version, type_name, payload, time_us
FROM $schema.snapshot
WHERE
    (stream, version) > ($1, $2)
    AND NOT EXISTS (
        SELECT FROM unsettled
        WHERE unsettled.name = snapshot.stream AND unsettled.version <= snapshot.version
    )
ORDER BY stream, version
LIMIT $3

-- name: save_snapshots
WITH began AS MATERIALIZED (SELECT $schema.begin_writing())
INSERT INTO $schema.snapshot (stream, version, type_name, payload, time_us)
SELECT p.stream, p.version, p.type_name, p.payload, p.time_us
FROM began
CROSS JOIN unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::bigint[])
    AS p (stream, version, type_name, payload, time_us)
ON CONFLICT (stream, version) DO UPDATE SET
    type_name = excluded.type_name,
    payload = excluded.payload,
    time_us = excluded.time_us

-- name: delete_snapshots
WITH
began AS MATERIALIZED (SELECT $schema.begin_writing()),
deleted AS (
    DELETE FROM $schema.snapshot
    USING began
    WHERE stream = $1 AND version <= $2
    RETURNING 1
)
SELECT count(*) FROM deleted

-- name: load_reply
SELECT key, command, type_name, payload, version, time_us
FROM $schema.reply
WHERE stream = $1 AND key = $2

-- name: list_replies
-- As with snapshots.
WITH unsettled AS MATERIALIZED ($unsettled)
SELECT stream, key, command, type_name, payload, version, time_us
FROM $schema.reply
WHERE
    (stream, key) > ($1, $2)
    AND NOT EXISTS (
        SELECT FROM unsettled
        WHERE unsettled.name = reply.stream AND unsettled.version <= reply.version
    )
ORDER BY stream, key
LIMIT $3

-- name: prune_replies
WITH
began AS MATERIALIZED (SELECT $schema.begin_writing()),
doomed AS (
    SELECT stream, key
    FROM $schema.reply
    CROSS JOIN began
    WHERE time_us < $1 AND ($3 = '' OR NOT starts_with(key, $3))
    ORDER BY time_us
    LIMIT $2
),
deleted AS (
    DELETE FROM $schema.reply
    USING doomed
    WHERE reply.stream = doomed.stream AND reply.key = doomed.key
    RETURNING 1
)
SELECT count(*) FROM deleted

-- name: truncate
SELECT $schema.truncate_stream($1, $2)

-- name: claim
-- The rows are locked in one order. Whoever is committing to one of these slices is waited for.
WITH
began AS MATERIALIZED (SELECT $schema.begin_writing()),
held AS MATERIALIZED (
    SELECT slice FROM $schema.slice_owner WHERE slice = ANY ($1) ORDER BY slice FOR UPDATE
)
UPDATE $schema.slice_owner
SET epoch = epoch + 1, owner = $2
FROM began, held
WHERE slice_owner.slice = held.slice
RETURNING slice_owner.slice, epoch

-- name: begin_writing
SELECT chained, $schema.begin_writing() FROM $schema.here

-- name: restored_heads
SELECT stream, version
FROM $schema.streams
WHERE stream = ANY ($1)

-- name: bounded
-- Who is stopped in the middle holds others up for so long.
SET LOCAL idle_in_transaction_session_timeout = '60s'

-- name: lock_events
-- Waits for the transactions that have inserted events, and those that come later wait for this one.
LOCK TABLE $schema.event IN SHARE ROW EXCLUSIVE MODE

-- name: lock_chain
-- Who appends to a chain has it before he inserts an event.
SELECT $schema.lock_chain()

-- name: newest_position
SELECT $schema.newest_position()

-- name: restore_streams
INSERT INTO $schema.stream (name, slice, truncated_to)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])
ON CONFLICT (name) DO UPDATE SET truncated_to = greatest(stream.truncated_to, excluded.truncated_to)

-- name: restore_events
INSERT INTO $schema.event (
    position, stream_id, version, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
)
SELECT
    e.position, stream.id, e.version, e.type_name, e.payload, e.event_id, e.time_us,
    e.correlation_id, e.causation_id, e.command_id
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bigint[],
    $8::text[], $9::text[], $10::text[]
) AS e (
    stream, version, position, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
)
JOIN $schema.stream ON stream.name = e.stream

-- name: restore_replies
INSERT INTO $schema.reply (stream, key, command, type_name, payload, version, time_us)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[]
)
ON CONFLICT (stream, key) DO UPDATE SET
    command = excluded.command,
    type_name = excluded.type_name,
    payload = excluded.payload,
    version = excluded.version,
    time_us = excluded.time_us

-- name: raise_position
-- What is appended from now on comes after this position. The origin moves in any case, so that who has
-- waited to insert, with an id of before, begins anew.
UPDATE $schema.journal
SET
    last_position = greatest(last_position, $1),
    settled = greatest(settled, $1),
    origin = least(origin - 1, (pg_current_xact_id()::text::bigint << 20) - $1)

-- name: schema_exists
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)

-- name: has_tables
-- Whether anything is in the schema, and whether it is a journal that knows its version.
SELECT
    EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid),
    EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid AND relname = 'migration')
FROM pg_namespace
WHERE nspname = $1

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS $schema

-- name: create_migration
CREATE TABLE IF NOT EXISTS $schema.migration (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: schema_version
SELECT coalesce(max(version), 0) FROM $schema.migration

-- name: note_migration
INSERT INTO $schema.migration (version, name) VALUES ($1, $2)

-- name: begin_chain
SELECT $schema.begin_chain($1)

-- name: root
-- Up to a position; no row if the journal is not chained.
SELECT coalesce(last.position, 0), coalesce(last.root, decode(repeat('00', 32), 'hex'))
FROM $schema.journal
LEFT JOIN LATERAL (
    SELECT position, root
    FROM $schema.chain
    WHERE position <= $1
    ORDER BY position DESC
    LIMIT 1
) AS last ON true
WHERE journal.chained

-- name: read_chain
SELECT stream.name, chain.version, chain.position, chain.hash, chain.root
FROM (
    SELECT *
    FROM $schema.chain
    WHERE position > $1 AND position <= $2
    ORDER BY position
    LIMIT $3
) AS chain
JOIN $schema.stream ON stream.id = chain.stream_id
ORDER BY chain.position

-- name: newest_hashes
-- Of each of some streams, as far as there is one.
SELECT stream.name, chain.hash
FROM $schema.stream
JOIN $schema.chain ON chain.stream_id = stream.id AND chain.position = coalesce(
    (
        SELECT position
        FROM $schema.event
        WHERE stream_id = stream.id
        ORDER BY version DESC
        LIMIT 1
    ),
    stream.truncated_position
)
WHERE stream.name = ANY ($1)

-- name: restore_links
INSERT INTO $schema.chain (position, stream_id, version, hash, root)
SELECT link.position, stream.id, link.version, link.hash, link.root
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[])
    AS link (stream, version, position, hash, root)
JOIN $schema.stream ON stream.name = link.stream

-- name: restore_truncated_positions
UPDATE $schema.stream
SET truncated_position = gone.position
FROM unnest($1::text[], $2::bigint[]) AS gone (name, position)
WHERE stream.name = gone.name

-- name: incarnations
SELECT id, after_position
FROM $schema.incarnation
ORDER BY number

-- name: delete_incarnations
DELETE FROM $schema.incarnation

-- name: insert_incarnations
INSERT INTO $schema.incarnation (number, id, after_position)
SELECT n, id, after_position
FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS i (id, after_position, n)

-- name: may_be_elsewhere
SELECT $schema.may_be_elsewhere()

-- name: arrive
SELECT $schema.arrive()

-- name: answer_within
-- So many milliseconds, unless somebody has set less. The backend of somebody else, which a pooler lends,
-- is left as it is.
SELECT set_config('statement_timeout', $1, false)
FROM pg_settings
WHERE
    name = 'statement_timeout' AND setting::bigint NOT BETWEEN 1 AND $2
    AND pg_backend_pid() = $3

-- name: notify
-- It need not be durable, and so waits for no disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)

-- name: lock_schema
SELECT pg_advisory_xact_lock(hashtextextended('daicho schema ' || $1, 0))

-- name: oldest_transaction
-- Who holds back what readers may see: the transaction that began first of those that write.
SELECT
    activity.pid,
    coalesce(activity.application_name, '') AS application_name,
    coalesce(activity.usename, '') AS user_name,
    coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start), 0)::float8 AS age_s,
    NULL AS prepared
FROM pg_locks AS held
JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE
    held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
    AND held.transactionid = pg_snapshot_xmin(pg_current_snapshot())::xid
UNION ALL
SELECT NULL, '', owner, extract(epoch FROM clock_timestamp() - prepared)::float8, gid
FROM pg_prepared_xacts
WHERE transaction = pg_snapshot_xmin(pg_current_snapshot())::xid
LIMIT 1
