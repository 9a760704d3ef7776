"""The tables of coworker.db as a numbered, forward-only list of migrations."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE conversation (
        id TEXT PRIMARY KEY, adapter TEXT NOT NULL, room TEXT NOT NULL, thread TEXT NOT NULL,
        repo TEXT, parent TEXT, parent_call TEXT,
        state TEXT NOT NULL CHECK (state IN ('idle', 'ready', 'waiting', 'parked')),
        wake_at INTEGER, next_seq INTEGER NOT NULL DEFAULT 1, base_seq INTEGER NOT NULL DEFAULT 1,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX conversation_open ON conversation (state) WHERE state <> 'idle';
    CREATE INDEX conversation_place ON conversation (adapter, room, thread);

    CREATE TABLE inbox (
        source TEXT NOT NULL, event_id TEXT NOT NULL, conversation TEXT NOT NULL,
        kind TEXT NOT NULL, body TEXT NOT NULL, received_at INTEGER NOT NULL,
        taken_seq INTEGER, outcome TEXT,
        PRIMARY KEY (source, event_id)
    ) STRICT;
    CREATE INDEX inbox_open ON inbox (conversation) WHERE taken_seq IS NULL;
    CREATE INDEX inbox_running ON inbox (conversation) WHERE outcome IS NULL;
    CREATE INDEX inbox_time ON inbox (received_at);

    CREATE TABLE entry (
        conversation TEXT NOT NULL, seq INTEGER NOT NULL, run INTEGER NOT NULL,
        kind TEXT NOT NULL, v INTEGER NOT NULL, body TEXT NOT NULL, salt BLOB,
        body_hash BLOB NOT NULL, at INTEGER NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (conversation, seq)
    ) STRICT;
    CREATE INDEX entry_spend ON entry (at, json_extract(body, '$.cost_usd'))
        WHERE kind IN ('assistant', 'summary');

    CREATE TABLE blob (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

    CREATE TABLE outbox (
        key TEXT PRIMARY KEY, conversation TEXT NOT NULL, op TEXT NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'unknown', 'dead')),
        remote_id TEXT, attempts INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outbox_open ON outbox (conversation) WHERE state IN ('pending', 'sending');

    CREATE TABLE cursor (
        source TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (source, key)
    ) STRICT;

    CREATE TABLE repo (
        name TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, added_at INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE INDEX entry_blob ON entry (json_extract(body, '$.blob')) WHERE body GLOB '{"blob":*';
    CREATE INDEX conversation_age ON conversation (updated_at) WHERE state = 'idle';

    CREATE TABLE schedule (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, repo TEXT,
        adapter TEXT NOT NULL, room TEXT NOT NULL, thread TEXT NOT NULL, conversation TEXT,
        creator TEXT NOT NULL, prompt TEXT NOT NULL, spec TEXT NOT NULL, tz TEXT NOT NULL,
        next_at INTEGER, policy TEXT NOT NULL CHECK (policy IN ('late', 'skip', 'ask')),
        gate TEXT NOT NULL, seen TEXT NOT NULL, urgent INTEGER NOT NULL,
        paused TEXT, failures INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX schedule_due ON schedule (next_at) WHERE next_at IS NOT NULL AND paused IS NULL;
    CREATE INDEX inbox_firing ON inbox (event_id) WHERE source = 'schedule' AND outcome IS NULL;

    CREATE INDEX inbox_aside ON inbox (conversation, outcome) WHERE taken_seq = 0;

    DROP INDEX entry_spend;
    CREATE INDEX entry_paid ON entry (
        at, json_extract(body, '$.cost_usd'), json_extract(body, '$.for.person'),
        json_extract(body, '$.for.repo'), json_extract(body, '$.for.schedule')
    ) WHERE kind IN ('assistant', 'summary', 'error');
    CREATE INDEX entry_paid_in ON entry (conversation, at, json_extract(body, '$.cost_usd'))
        WHERE kind IN ('assistant', 'summary', 'error');
    """,
    """
    CREATE INDEX schedule_same ON schedule (
        replace(replace(replace(prompt, ' ', ''), char(10), ''), char(9), '')
    );
    """,
)

VERSION = len(MIGRATIONS)
