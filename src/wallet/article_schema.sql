CREATE TABLE wallet_event (
    user_id TEXT NOT NULL,
    version INT NOT NULL,
    event_name TEXT NOT NULL,
    event_value INT NOT NULL,
    timestamp DATETIME NOT NULL,
    primary key (user_id, version)
);

create table wallet_snapshot (
    user_id TEXT PRIMARY KEY NOT NULL,
    saved_version INT NOT NULL,
    deposit INT NOT NULL
);
