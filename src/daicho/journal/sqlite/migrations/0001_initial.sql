-- Streams are never deleted, so an id is never used twice.
CREATE TABLE stream (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    -- The unit of ownership, 0 to 1023: the CRC-32 of the name's UTF-8, modulo 1024. It never changes.
    slice        INTEGER NOT NULL,
    -- Events up to this version are gone. A stream's version is this or its newest event's, whichever
    -- is larger, so it outlives its events.
    truncated_to INTEGER NOT NULL DEFAULT 0
) STRICT;

-- AUTOINCREMENT keeps a position from being used twice, also after the newest events were truncated.
-- Transactions write one after another, so positions rise in commit order.
CREATE TABLE event (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_id      INTEGER NOT NULL REFERENCES stream (id),
    version        INTEGER NOT NULL,
    type_name      TEXT    NOT NULL,
    payload        BLOB    NOT NULL,
    event_id       BLOB    NOT NULL,
    time_us        INTEGER NOT NULL,
    correlation_id TEXT,
    causation_id   TEXT,
    command_id     TEXT,
    UNIQUE (stream_id, version)
) STRICT;

-- An aid beside the streams: it refers to a stream by name, and a stream need not exist for it.
CREATE TABLE snapshot (
    id        INTEGER PRIMARY KEY,
    stream    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    type_name TEXT    NOT NULL,
    payload   BLOB    NOT NULL,
    time_us   INTEGER NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- Room for owners: a writer that names an epoch older than its slice's is refused in the transaction
-- of its append. Nothing writes here yet.
CREATE TABLE slice_owner (
    slice INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    owner TEXT    NOT NULL
) STRICT;

-- Room for idempotency: the reply to a command, stored with the events of that command under its
-- idempotency key, so that the same command is answered again and not done again. Nothing writes
-- here yet.
CREATE TABLE reply (
    stream_id INTEGER NOT NULL REFERENCES stream (id),
    key       TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    type_name TEXT    NOT NULL,
    payload   BLOB    NOT NULL,
    time_us   INTEGER NOT NULL,
    PRIMARY KEY (stream_id, key)
) STRICT;

-- For whoever opens the file with a SQLite shell: names instead of numbers, times that can be read.
CREATE VIEW streams AS
SELECT
    stream.name AS stream,
    max(
        stream.truncated_to,
        coalesce((SELECT max(version) FROM event WHERE stream_id = stream.id), 0)
    ) AS version,
    stream.truncated_to,
    stream.slice
FROM stream;

CREATE VIEW events AS
SELECT
    event.position,
    stream.name AS stream,
    event.version,
    event.type_name,
    -- Floored by hand: SQLite divides towards zero, and its own fractions end at milliseconds.
    strftime(
        '%Y-%m-%dT%H:%M:%S',
        event.time_us / 1000000 - (event.time_us % 1000000 < 0),
        'unixepoch'
    ) || printf('.%06dZ', (event.time_us % 1000000 + 1000000) % 1000000) AS time,
    event.payload,
    lower(hex(event.event_id)) AS event_id,
    event.correlation_id,
    event.causation_id,
    event.command_id
FROM event
JOIN stream ON stream.id = event.stream_id;
