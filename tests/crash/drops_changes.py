"""The changes that a process makes in an outbox: those of files, each one within a removed folder too, and those of the ledger."""

import os
from pathlib import Path

from jobs.drops.ledger.database import Database
from tests.crash import changes

CHANGES: changes.Changes = (
    *changes.CHANGES,
    (Path, "mkdir"),
    (os, "unlink"),
    (os, "rmdir"),
    (Database, "transaction"),
    (Database, "close"),
)
