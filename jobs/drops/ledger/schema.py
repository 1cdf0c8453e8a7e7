"""The ledger's format on one page: its tables, and what a row of `drops` says.

Of a content (SHA-256) there is one scored row for each model, and at most one that is not scored: new, or to be scored again. The same
bytes under another name get a row of their own, as a duplicate.

    waiting ──> scoring ──> scored ──> replaced    scored again with the same model, or its scores were deleted and are made again
       ^  ^        │ └────> failed      it cannot be read, or not for now: exit_code says which; it waits again when flags or model change
       │  └────────┘ temporary trouble, an interrupt
     gone                  changed or taken away before it was scored, or after it failed; it waits again when it comes back

A row that would score again what has scores is deleted instead where it is gone, or where the scores are those that it would make.

Any change here bumps `FORMAT_VERSION`.
"""

from dataclasses import dataclass

FORMAT_VERSION = 2

WAITING, SCORING, SCORED, FAILED, DUPLICATE, GONE = "waiting", "scoring", "scored", "failed", "duplicate", "gone"
REPLACED = "replaced"
STATES = (WAITING, SCORING, SCORED, FAILED, DUPLICATE, GONE, REPLACED)

SCHEMA = f"""
CREATE TABLE drops (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,                        -- of the file in the inbox
    bytes INTEGER NOT NULL,                    -- as stored
    sha256 TEXT NOT NULL,                      -- of the stored bytes; empty while the file could not be read at all
    state TEXT NOT NULL CHECK (state IN {STATES!r}),
    model TEXT NOT NULL,                       -- fingerprint of the model that it is to be, or was, scored with
    options TEXT NOT NULL,                     -- fingerprint of the flags that change the scores
    attempts INTEGER NOT NULL DEFAULT 0,       -- how often somebody began to score it
    rows_in INTEGER NOT NULL DEFAULT 0,
    rows_scored INTEGER NOT NULL DEFAULT 0,
    rows_quarantined INTEGER NOT NULL DEFAULT 0,
    delimiter TEXT NOT NULL DEFAULT '',        -- how it was read, as --delimiter and --encoding name it
    encoding TEXT NOT NULL DEFAULT '',
    scores TEXT NOT NULL DEFAULT '',           -- file names in the outbox
    quarantine TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    exit_code INTEGER NOT NULL DEFAULT 0,      -- of the error: 75 is temporary
    duplicate_of INTEGER REFERENCES drops (id),
    seen_at REAL NOT NULL,                     -- all times are seconds since 1970, UTC
    started_at REAL,
    finished_at REAL,
    retry_at REAL NOT NULL DEFAULT 0,          -- not to be tried before
    owner TEXT NOT NULL DEFAULT '',            -- who is scoring it
    lease_until REAL NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX drops_scored_once ON drops (sha256, model) WHERE state = 'scored';
CREATE UNIQUE INDEX drops_open_once ON drops (sha256) WHERE state IN ('waiting', 'scoring', 'failed', 'gone') AND sha256 <> '';
CREATE INDEX drops_by_content ON drops (sha256);
CREATE INDEX drops_by_name ON drops (name);
CREATE INDEX drops_by_state ON drops (state);
CREATE TABLE parts (                           -- what is finished of a large drop that is being scored
    drop_id INTEGER NOT NULL REFERENCES drops (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (drop_id, number)
) STRICT;
CREATE TABLE files (                           -- which content the inbox's files had when they were last hashed
    name BLOB PRIMARY KEY,
    signature TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
"""

# A condition: there are scores of the same content by a model and with flags, which are its two values.
IS_SCORED_SO = (
    "EXISTS (SELECT 1 FROM drops AS scored WHERE scored.sha256 = drops.sha256 AND scored.state = 'scored' "
    "AND scored.model = ? AND scored.options = ?)"
)


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A row of the ledger; the columns are described in its schema."""

    id: int
    name: str
    bytes: int
    sha256: str
    state: str
    model: str
    options: str
    attempts: int
    rows_in: int
    rows_scored: int
    rows_quarantined: int
    delimiter: str
    encoding: str
    scores: str
    quarantine: str
    error: str
    exit_code: int
    duplicate_of: int | None
    seen_at: float
    started_at: float | None
    finished_at: float | None
    retry_at: float
    owner: str
    lease_until: float

    @property
    def called(self) -> str:
        """What messages call it, as in ``drop 12, tue.csv``."""
        return f"drop {self.id}, {self.name}"


@dataclass(frozen=True)
class StateTotals:
    """The drops of a state, counted; last is when the latest of them was finished, seconds since 1970."""

    drops: int = 0
    rows_in: int = 0
    rows_scored: int = 0
    rows_quarantined: int = 0
    last: float | None = None
