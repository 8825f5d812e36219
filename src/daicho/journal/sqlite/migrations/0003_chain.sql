-- The links of events, if the journal is chained; then there is a row of position 0, before the first
-- event, and whoever appends an event without a link is found out by the next who appends. A link
-- outlives its event: it is what those after it rest on.
CREATE TABLE chain (
    position  INTEGER PRIMARY KEY,
    stream_id INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    -- SHA-256 over the hash before it in the stream, and the event.
    hash      BLOB    NOT NULL,
    -- SHA-256 over the root before it in the journal, and all of this link.
    root      BLOB    NOT NULL
) STRICT;

-- The position of the newest event that is gone; the next one of the stream follows its link.
ALTER TABLE stream ADD COLUMN truncated_position INTEGER;

-- The stores that this one's history comes from, in their order; the last is this one. An id of no bytes
-- is drawn when the file is opened to be written: so a backup becomes another store each time that it
-- takes the place of a journal, and not before.
CREATE TABLE incarnation (
    number         INTEGER PRIMARY KEY,
    id             BLOB    NOT NULL UNIQUE,
    -- Events up to here come from the store before.
    after_position INTEGER NOT NULL
) STRICT;

INSERT INTO incarnation (number, id, after_position) VALUES (1, x'', 0);
