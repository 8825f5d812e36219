-- Replies refer to a stream by name, as snapshots do: a command that was rejected has a reply and no
-- event, and a stream without events does not exist. So a write of replies alone leaves `stream` as it
-- is, and with it what a writer may remember of it as long as nobody appends events, also one of schema
-- version 1 that has the file open. That version never wrote into its own `reply`.
DROP TABLE reply;

CREATE TABLE reply (
    id        INTEGER PRIMARY KEY,
    stream    TEXT    NOT NULL,
    -- The idempotency key.
    key       TEXT    NOT NULL,
    -- A digest that the writer made of the command: another command under this key is a mistake.
    command   BLOB    NOT NULL,
    type_name TEXT    NOT NULL,
    payload   BLOB    NOT NULL,
    -- The version of the stream after the command.
    version   INTEGER NOT NULL,
    time_us   INTEGER NOT NULL,
    UNIQUE (stream, key)
) STRICT;

-- The oldest go first.
CREATE INDEX reply_by_time ON reply (time_us);
