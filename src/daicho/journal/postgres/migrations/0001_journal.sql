-- What is stored, and the one function that appends to it. `$schema` stands for the name of the schema.
--
-- Names are compared as the bytes of their UTF-8 (COLLATE "C"), which is the order of code points.

-- Streams are never deleted, so an id is never used twice.
CREATE TABLE $schema.stream (
    id           bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text     COLLATE "C" NOT NULL UNIQUE,
    -- The unit of ownership, 0 to 1023: the CRC-32 of the name's UTF-8, modulo 1024. It never changes.
    slice        smallint NOT NULL,
    -- Events up to this version are gone. A stream's version is this or its newest event's, whichever
    -- is larger, so it outlives its events.
    truncated_to bigint   NOT NULL DEFAULT 0
);

-- Of two writers at one version the second runs into UNIQUE (stream_id, version), and nothing of its
-- statement is stored. A row never changes, so all of a page can be full.
CREATE TABLE $schema.event (
    position       bigint PRIMARY KEY,
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    time_us        bigint NOT NULL,
    event_id       bytea  NOT NULL CHECK (octet_length(event_id) = 16),
    type_name      text   COLLATE "C" NOT NULL,
    payload        bytea  NOT NULL,
    correlation_id text   COLLATE "C",
    causation_id   text   COLLATE "C",
    command_id     text   COLLATE "C",
    UNIQUE (stream_id, version)
);

-- An aid beside the streams: it refers to a stream by name, and a stream need not exist for it.
CREATE TABLE $schema.snapshot (
    stream    text   COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    type_name text   COLLATE "C" NOT NULL,
    payload   bytea  NOT NULL,
    time_us   bigint NOT NULL,
    PRIMARY KEY (stream, version)
);

-- What commands were answered, under their idempotency keys; by name too, since a command that was
-- rejected has a reply and no event.
CREATE TABLE $schema.reply (
    stream    text   COLLATE "C" NOT NULL,
    key       text   COLLATE "C" NOT NULL,
    -- A digest that the writer made of the command: another command under this key is a mistake.
    command   bytea  NOT NULL,
    type_name text   COLLATE "C" NOT NULL,
    payload   bytea  NOT NULL,
    -- The version of the stream after the command.
    version   bigint NOT NULL,
    time_us   bigint NOT NULL,
    PRIMARY KEY (stream, key)
);

-- The oldest go first.
CREATE INDEX reply_by_time ON $schema.reply (time_us);

-- Who owns a slice, and since which claim. A write that names another epoch is refused.
CREATE TABLE $schema.slice_owner (
    slice smallint PRIMARY KEY,
    epoch bigint   NOT NULL DEFAULT 0,
    owner text     NOT NULL DEFAULT ''
);

INSERT INTO $schema.slice_owner (slice) SELECT generate_series(0, 1023);

-- One row: what belongs to all of the journal.
CREATE TABLE $schema.journal (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- An event's position is its transaction's id times 2^20, less this, and its number there.
    origin        bigint  NOT NULL,
    -- The largest position of an event that is gone, or that another journal had come to.
    last_position bigint  NOT NULL DEFAULT 0,
    -- How often streams were truncated.
    truncations   bigint  NOT NULL DEFAULT 0
);

INSERT INTO $schema.journal (origin) VALUES (pg_current_xact_id()::text::bigint << 20);

-- For whoever looks with psql: names instead of numbers, times that can be read.
CREATE VIEW $schema.streams AS
SELECT
    stream.name AS stream,
    greatest(
        stream.truncated_to,
        (SELECT max(version) FROM $schema.event WHERE stream_id = stream.id)
    ) AS version,
    stream.truncated_to,
    stream.slice
FROM $schema.stream;

CREATE VIEW $schema.events AS
SELECT
    event.position,
    stream.name AS stream,
    event.version,
    event.type_name,
    to_timestamp(event.time_us / 1000000.0) AS time,
    event.payload,
    encode(event.event_id, 'hex') AS event_id,
    event.correlation_id,
    event.causation_id,
    event.command_id
FROM $schema.event
JOIN $schema.stream ON stream.id = event.stream_id;

-- Appends all writes of a transaction, which is this one call. The caller has laid them out by stream:
--
--   s_…  a stream: where the caller takes it to end, whether it gets events, and whether the writes to
--        it hang together, so that all has to be laid out anew if it ends elsewhere
--   o_…  a slice and the epoch that writes to it name
--   e_…  an event: the number of its stream among those above, its version, and what is in it
--   r_…  a reply, p_… a snapshot (p for picture), likewise
--
-- Nothing is locked but the slices. What another transaction does at the same time is found by a
-- unique index: that is an error, it undoes all, and the caller tries again.
--
-- Returns one row: whether anything was stored, the position before the first event, where the journal
-- had come to, the streams that end elsewhere and where, those of which a key is taken and which, and
-- the slices of another epoch and which that is. If there are any of these last, nothing was stored;
-- otherwise what is said here of a stream is why nothing of that stream was.
CREATE FUNCTION $schema.append(
    s_name text[], s_slice smallint[], s_version bigint[], s_grows boolean[], s_strict boolean[],
    o_slice smallint[], o_epoch bigint[],
    e_at integer[], e_version bigint[], e_type text[], e_payload bytea[], e_id bytea[], e_time bigint[],
    e_correlation text[], e_causation text[], e_command text[],
    r_at integer[], r_key text[], r_command bytea[], r_type text[], r_payload bytea[],
    r_version bigint[], r_time bigint[],
    p_at integer[], p_version bigint[], p_type text[], p_payload bytea[], p_time bigint[],
    OUT stored boolean, OUT base bigint, OUT last bigint,
    OUT elsewhere integer[], OUT ends bigint[],
    OUT taken integer[], OUT keys text[],
    OUT lost smallint[], OUT epochs bigint[]
)
LANGUAGE plpgsql
-- A plan that was made while a table was small may be kept until it is large.
SET enable_seqscan = off
AS $body$
DECLARE
    ids bigint[];
    heads bigint[];
    refused integer[];
    truncations_before bigint;
    origin bigint;
BEGIN
    stored := false;
    -- An acknowledged event survives the loss of power, whatever the server does by default.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    -- FOR SHARE makes a claim wait until this transaction is over, and this one wait for a claim.
    IF o_slice <> '{}' THEN
        WITH held AS MATERIALIZED (
            SELECT slice, epoch FROM $schema.slice_owner
            WHERE slice = ANY (o_slice) ORDER BY slice FOR SHARE
        )
        SELECT array_agg(o.slice), array_agg(held.epoch) INTO lost, epochs
        FROM unnest(o_slice, o_epoch) AS o (slice, epoch)
        JOIN held ON held.slice = o.slice AND held.epoch <> o.epoch;
        IF lost IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;

    SELECT
        journal.truncations, journal.origin,
        greatest(journal.last_position, (SELECT max(position) FROM $schema.event))
    INTO truncations_before, origin, last
    FROM $schema.journal;

    -- Where the streams end. One that does not exist has the id 0.
    SELECT
        array_agg(coalesce(stream.id, 0) ORDER BY s.n),
        array_agg(greatest(stream.truncated_to, head.version, 0) ORDER BY s.n)
    INTO ids, heads
    FROM unnest(s_name) WITH ORDINALITY AS s (name, n)
    LEFT JOIN LATERAL (
        SELECT id, truncated_to FROM $schema.stream WHERE name = s.name LIMIT 1
    ) AS stream ON true
    LEFT JOIN LATERAL (
        SELECT version FROM $schema.event WHERE stream_id = stream.id ORDER BY version DESC LIMIT 1
    ) AS head ON true;

    elsewhere := array(
        SELECT n FROM generate_subscripts(s_name, 1) AS n WHERE heads[n] <> s_version[n]
    );
    ends := array(SELECT heads[n] FROM unnest(elsewhere) AS n);
    refused := elsewhere;

    IF r_at <> '{}' THEN
        SELECT array_agg(r.at ORDER BY r.n), array_agg(r.key ORDER BY r.n) INTO taken, keys
        FROM unnest(r_at, r_key) WITH ORDINALITY AS r (at, key, n)
        JOIN unnest(s_name) WITH ORDINALITY AS s (name, n) ON s.n = r.at
        CROSS JOIN LATERAL (
            SELECT FROM $schema.reply WHERE stream = s.name AND key = r.key LIMIT 1
        ) AS found
        WHERE r.at <> ALL (elsewhere);
        refused := refused || taken;
    END IF;

    IF EXISTS (SELECT FROM unnest(refused) AS n WHERE s_strict[n]) THEN
        RETURN;
    END IF;

    IF EXISTS (SELECT FROM generate_subscripts(ids, 1) AS n WHERE ids[n] = 0 AND s_grows[n]) THEN
        WITH made AS (
            INSERT INTO $schema.stream (name, slice)
            SELECT s.name, s.slice
            FROM unnest(s_name, s_slice) WITH ORDINALITY AS s (name, slice, n)
            WHERE ids[s.n] = 0 AND s_grows[s.n] AND s.n <> ALL (refused)
            ORDER BY s.name COLLATE "C"
            RETURNING id, name
        )
        SELECT array_agg(coalesce(made.id, ids[s.n]) ORDER BY s.n) INTO ids
        FROM unnest(s_name) WITH ORDINALITY AS s (name, n)
        LEFT JOIN made ON made.name = s.name;
    END IF;

    base := (pg_current_xact_id()::text::bigint << 20) - origin;

    -- Everybody inserts in one order, so that two who do so at once do not wait for each other.
    INSERT INTO $schema.event (
        position, stream_id, version, type_name, payload, event_id, time_us,
        correlation_id, causation_id, command_id
    )
    SELECT
        base + e.n, ids[e.at], e.version, e.type, e.payload, e.id, e.time,
        e.correlation, e.causation, e.command
    FROM unnest(
        e_at, e_version, e_type, e_payload, e_id, e_time, e_correlation, e_causation, e_command
    ) WITH ORDINALITY
        AS e (at, version, type, payload, id, time, correlation, causation, command, n)
    WHERE e.at <> ALL (refused)
    ORDER BY ids[e.at], e.version;

    IF r_at <> '{}' THEN
        INSERT INTO $schema.reply (stream, key, command, type_name, payload, version, time_us)
        SELECT s.name, r.key, r.command, r.type, r.payload, r.version, r.time
        FROM unnest(r_at, r_key, r_command, r_type, r_payload, r_version, r_time)
            AS r (at, key, command, type, payload, version, time)
        JOIN unnest(s_name) WITH ORDINALITY AS s (name, n) ON s.n = r.at
        WHERE r.at <> ALL (refused)
        ORDER BY s.name COLLATE "C", r.key COLLATE "C";
    END IF;

    IF p_at <> '{}' THEN
        INSERT INTO $schema.snapshot AS kept (stream, version, type_name, payload, time_us)
        SELECT DISTINCT ON (s.name COLLATE "C", p.version) s.name, p.version, p.type, p.payload, p.time
        FROM unnest(p_at, p_version, p_type, p_payload, p_time) WITH ORDINALITY
            AS p (at, version, type, payload, time, n)
        JOIN unnest(s_name) WITH ORDINALITY AS s (name, n) ON s.n = p.at
        WHERE p.at <> ALL (refused)
        ORDER BY s.name COLLATE "C", p.version, p.n DESC
        ON CONFLICT (stream, version) DO UPDATE SET
            type_name = excluded.type_name,
            payload = excluded.payload,
            time_us = excluded.time_us;
    END IF;

    -- A version whose event was truncated since we looked is free in the index, and is not free.
    IF truncations_before <> (SELECT truncations FROM $schema.journal) AND EXISTS (
        SELECT FROM unnest(ids, heads) AS s (id, head)
        JOIN $schema.stream ON stream.id = s.id AND stream.truncated_to > s.head
    ) THEN
        RAISE EXCEPTION 'a stream was truncated meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    stored := true;
END
$body$;

-- Deletes the events of a stream up to a version and returns how many there were; nothing, and null, if
-- the stream has not come to that version.
CREATE FUNCTION $schema.truncate_stream(stream_name text, to_version bigint) RETURNS bigint
LANGUAGE plpgsql AS $body$
DECLARE
    found_id bigint;
    gone bigint;
    last_gone bigint;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    UPDATE $schema.stream SET truncated_to = greatest(truncated_to, to_version)
    WHERE name = stream_name AND to_version <= greatest(
        truncated_to, (SELECT max(version) FROM $schema.event WHERE stream_id = stream.id)
    )
    RETURNING id INTO found_id;
    IF found_id IS NULL THEN
        RETURN CASE WHEN to_version = 0 THEN 0 END;
    END IF;
    WITH deleted AS (
        DELETE FROM $schema.event
        WHERE stream_id = found_id AND version <= to_version
        RETURNING position
    )
    SELECT count(*), max(position) INTO gone, last_gone FROM deleted;
    UPDATE $schema.journal SET
        last_position = greatest(last_position, last_gone),
        truncations = truncations + 1;
    RETURN gone;
END
$body$;
