-- Every fixed statement of the journal, by name.

-- name: last_position
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)

-- name: find_heads
-- All that a transaction may have to ask, as one row: where the journal ends, the newest stream's id,
-- the last root if there is a chain, the position of an event that follows it and has no link, and of the
-- streams among the names of a JSON array those that exist: place, id and version. CROSS JOIN makes the
-- array the outer loop.
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
    coalesce((SELECT max(id) FROM stream), 0),
    (SELECT root FROM chain ORDER BY position DESC LIMIT 1),
    (
        SELECT max(position)
        FROM event
        HAVING max(position) > (SELECT max(position) FROM chain)
    ),
    (
        SELECT
            json_group_array(
                json_array(
                    wanted.key,
                    stream.id,
                    max(
                        stream.truncated_to,
                        coalesce((SELECT max(version) FROM event WHERE stream_id = stream.id), 0)
                    )
                )
            )
        FROM json_each(?) AS wanted
        CROSS JOIN stream ON stream.name = wanted.value
    )

-- name: insert_streams
-- The row of parameters is repeated; rows of NULL fill it up to a size whose statement is prepared.
INSERT OR ROLLBACK INTO stream (id, name, slice)
SELECT * FROM (VALUES (?, ?, ?))
WHERE column1 IS NOT NULL

-- name: insert_events
-- As above, and only if the journal's last position is what the writer knows: then no other process
-- has appended, and the versions that the writer knows are true. And only if the chain ends with the root
-- that it knows. OR ROLLBACK spares SQLite the journal that would undo this statement alone.
INSERT OR ROLLBACK INTO event (
    stream_id, version, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
)
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))
WHERE
    column1 IS NOT NULL
    AND ? = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)
    AND ? IS (SELECT root FROM chain ORDER BY position DESC LIMIT 1)

-- name: insert_plain_events
-- Those that have no ids of others.
INSERT OR ROLLBACK INTO event (stream_id, version, type_name, payload, event_id, time_us)
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?))
WHERE
    column1 IS NOT NULL
    AND ? = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)
    AND ? IS (SELECT root FROM chain ORDER BY position DESC LIMIT 1)

-- name: find_hashes
-- The newest hash of each of the streams whose ids are in a JSON array, as far as there is one.
SELECT json_group_array(json_array(stream.id, hex(chain.hash)))
FROM json_each(?) AS wanted
CROSS JOIN stream ON stream.id = wanted.value
CROSS JOIN chain ON chain.stream_id = stream.id AND chain.position = coalesce(
    (
        SELECT position
        FROM event
        WHERE stream_id = stream.id
        ORDER BY version DESC
        LIMIT 1
    ),
    stream.truncated_position
)

-- name: unlinked_position
-- Of the newest event, if it has no link and there is a chain.
SELECT (
    SELECT max(position)
    FROM event
    HAVING max(position) > (SELECT max(position) FROM chain)
)

-- name: find_ids
-- The ids and names of those streams among the names of a JSON array that exist.
SELECT stream.id, stream.name
FROM json_each(?) AS wanted
CROSS JOIN stream ON stream.name = wanted.value

-- name: insert_links
-- The row of parameters is repeated and filled up, as with streams.
INSERT OR ROLLBACK INTO chain (position, stream_id, version, hash, root)
SELECT * FROM (VALUES (?, ?, ?, ?, ?))
WHERE column1 IS NOT NULL

-- name: restore_link
INSERT INTO chain (position, stream_id, version, hash, root)
VALUES (?, (SELECT id FROM stream WHERE name = ?), ?, ?, ?)

-- name: restore_truncated_position
UPDATE stream
SET truncated_position = ?
WHERE name = ?

-- name: delete_chain
DELETE FROM chain

-- name: forget_truncated_positions
UPDATE stream
SET truncated_position = NULL
WHERE truncated_position IS NOT NULL

-- name: begin_chain
INSERT INTO chain (position, stream_id, version, hash, root)
VALUES (0, 0, 0, zeroblob(32), zeroblob(32))

-- name: root
SELECT position, root
FROM chain
ORDER BY position DESC
LIMIT 1

-- name: read_chain
SELECT stream.name, version, position, hash, root
FROM chain
CROSS JOIN stream ON stream.id = chain.stream_id
WHERE position > :after_position AND position <= :last_position
ORDER BY position
LIMIT :page_size

-- name: incarnations
SELECT id, after_position
FROM incarnation
WHERE id <> x''
ORDER BY number

-- name: draw_incarnation
UPDATE incarnation
SET id = randomblob(16)
WHERE id = x''

-- name: delete_incarnations
DELETE FROM incarnation

-- name: insert_incarnation
INSERT INTO incarnation (id, after_position)
VALUES (?, ?)

-- name: count_unborn
SELECT count(*)
FROM incarnation
WHERE id = x''

-- name: find_replies
-- Which of the pairs of stream and key in a JSON array have a reply.
SELECT reply.stream, reply.key
FROM json_each(?) AS wanted
CROSS JOIN reply
    ON reply.stream = wanted.value ->> 0
    AND reply.key = wanted.value ->> 1

-- name: insert_replies
-- As with events. A reply whose key is taken is passed over; the writer counts what was inserted.
INSERT OR IGNORE INTO reply (stream, key, command, type_name, payload, version, time_us)
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?))
WHERE
    column1 IS NOT NULL
    AND ? = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)

-- name: read_stream
-- Whoever asks knows the stream's name.
SELECT
    NULL AS stream, version, position, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
FROM event
WHERE
    stream_id = (SELECT id FROM stream WHERE name = :stream)
    AND version BETWEEN :from_version AND :to_version
ORDER BY version
LIMIT :page_size

-- name: page_of_stream
-- The rows that were found as one row. They come in the order of the statement that finds them, because
-- that has a LIMIT. Of the last columns few events have any.
SELECT
    count(*),
    min(version),
    max(version),
    json_group_array(type_name),
    json_group_array(length(payload)),
    cast(group_concat(payload, '') AS BLOB),
    json_group_array(position),
    cast(group_concat(event_id, '') AS BLOB),
    json_group_array(time_us),
    json_group_array(json_array(position, correlation_id, causation_id, command_id)) FILTER (
        WHERE
            correlation_id IS NOT NULL
            OR causation_id IS NOT NULL
            OR command_id IS NOT NULL
    )
FROM found

-- name: read_all
SELECT
    stream.name AS stream, version, position, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
FROM event
CROSS JOIN stream ON stream.id = event.stream_id
WHERE position > :after_position AND position <= :last_position
ORDER BY position
LIMIT :page_size

-- name: read_all_of_types
-- Their names are a JSON array.
SELECT
    stream.name AS stream, version, position, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
FROM event
CROSS JOIN stream ON stream.id = event.stream_id
WHERE
    position > :after_position AND position <= :last_position
    AND type_name IN (SELECT value FROM json_each(:type_names))
ORDER BY position
LIMIT :page_size

-- name: page_of_all
-- As above, with the version and the stream of each.
SELECT
    count(*),
    min(position),
    max(position),
    json_group_array(type_name),
    json_group_array(length(payload)),
    cast(group_concat(payload, '') AS BLOB),
    json_group_array(position),
    cast(group_concat(event_id, '') AS BLOB),
    json_group_array(time_us),
    json_group_array(json_array(position, correlation_id, causation_id, command_id)) FILTER (
        WHERE
            correlation_id IS NOT NULL
            OR causation_id IS NOT NULL
            OR command_id IS NOT NULL
    ),
    json_group_array(version),
    json_group_array(stream)
FROM found

-- name: stream_info
SELECT stream, version, truncated_to
FROM streams
WHERE stream = ?

-- name: load_head
-- A stream and its newest snapshot that is not ahead of it; no row if there is no such stream.
SELECT
    head.version, head.truncated_to,
    snapshot.version, snapshot.type_name, snapshot.payload, snapshot.time_us
FROM streams AS head
LEFT JOIN snapshot ON snapshot.id = (
    SELECT id
    FROM snapshot
    WHERE stream = :stream AND version BETWEEN 1 AND min(:max_snapshot, head.version)
    ORDER BY version DESC
    LIMIT 1
)
WHERE head.stream = :stream

-- name: list_streams
-- Names are compared as the bytes of their UTF-8, which is the order of their code points. The byte FF
-- is in no UTF-8, so a prefix with it behind sorts after all names that begin with the prefix.
SELECT stream, version, truncated_to
FROM streams
WHERE
    stream > :after
    AND stream >= :prefix
    AND stream < :prefix || cast(x'FF' AS TEXT)
ORDER BY stream
LIMIT :limit

-- name: load_snapshot
SELECT stream, version, type_name, payload, time_us
FROM snapshot
WHERE stream = :stream AND version <= :max_version
ORDER BY version DESC
LIMIT 1

-- name: list_snapshots
SELECT stream, version, type_name, payload, time_us
FROM snapshot
WHERE stream = ?
ORDER BY version DESC

-- name: save_snapshots
-- The row of parameters is repeated and filled up, as with streams. A snapshot of the same version is
-- replaced.
INSERT INTO snapshot (stream, version, type_name, payload, time_us)
SELECT * FROM (VALUES (?, ?, ?, ?, ?))
WHERE column1 IS NOT NULL
ON CONFLICT (stream, version) DO UPDATE SET
    type_name = excluded.type_name,
    payload = excluded.payload,
    time_us = excluded.time_us

-- name: delete_snapshots
DELETE FROM snapshot
WHERE stream = :stream AND version <= :max_version

-- name: load_reply
SELECT key, command, type_name, payload, version, time_us
FROM reply
WHERE stream = :stream AND key = :key

-- name: list_all_snapshots
SELECT stream, version, type_name, payload, time_us
FROM snapshot
WHERE (stream, version) > (:stream, :version)
ORDER BY stream, version
LIMIT :limit

-- name: list_replies
SELECT stream, key, command, type_name, payload, version, time_us
FROM reply
WHERE (stream, key) > (:stream, :key)
ORDER BY stream, key
LIMIT :limit

-- name: restore_stream
-- Where there is no such stream, it gets the next id.
INSERT INTO stream (name, slice, truncated_to)
VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET truncated_to = max(truncated_to, excluded.truncated_to)

-- name: restore_event
INSERT INTO event (
    stream_id, version, position, type_name, payload, event_id, time_us,
    correlation_id, causation_id, command_id
)
VALUES ((SELECT id FROM stream WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: restore_reply
INSERT OR REPLACE INTO reply (stream, key, command, type_name, payload, version, time_us)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: begin_positions
-- SQLite makes the row when it stores the first event.
INSERT INTO sqlite_sequence (name, seq)
SELECT 'event', 0
WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event')

-- name: raise_position
UPDATE sqlite_sequence
SET seq = max(seq, ?)
WHERE name = 'event'

-- name: prune_replies
DELETE FROM reply
WHERE id IN (
    SELECT id
    FROM reply
    WHERE
        time_us < :before_us
        AND (:keep_prefix = '' OR substr(key, 1, length(:keep_prefix)) <> :keep_prefix)
    ORDER BY time_us
    LIMIT :limit
)

-- name: truncate_events
DELETE FROM event
WHERE
    stream_id = (SELECT id FROM stream WHERE name = :stream)
    AND version <= :to_version

-- name: note_truncated_position
-- Before the events are deleted; of the newest of them.
UPDATE stream
SET truncated_position = coalesce(
    (
        SELECT position
        FROM event
        WHERE stream_id = stream.id AND version <= :to_version
        ORDER BY version DESC
        LIMIT 1
    ),
    truncated_position
)
WHERE name = :stream

-- name: note_truncation
UPDATE stream
SET truncated_to = max(truncated_to, :to_version)
WHERE name = :stream

-- name: identity
-- One statement, so that a file that another process is just making is seen as it was before or as it
-- is after, never half.
SELECT
    (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version),
    (SELECT count(*) FROM sqlite_schema)

-- name: schema_version
SELECT user_version FROM pragma_user_version

-- name: count_own_tables
SELECT count(*)
FROM sqlite_schema
WHERE
    type = 'table'
    AND name IN ('stream', 'event', 'snapshot', 'slice_owner', 'reply', 'chain', 'incarnation')

-- name: list_tables
SELECT name
FROM sqlite_schema
WHERE type = 'table'
ORDER BY name

-- name: begin
BEGIN

-- name: integrity_check
SELECT integrity_check FROM pragma_integrity_check
