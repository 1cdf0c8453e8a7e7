"""The intake: enters the inbox's complete files in the ledger, and knows which contents are there to be scored."""

import time
from collections.abc import Callable
from fnmatch import fnmatchcase

from jobs.drops.arrivals import Arrivals
from jobs.drops.config import DropsConfig
from jobs.drops.inbox import INCOMPLETE, InboxFile, PassedOver, hash_file, list_inbox
from jobs.drops.ledger.ledger import Ledger
from jobs.drops.ledger.schema import Drop
from pipeline.errors import TemporaryError


class Intake:
    """Takes in the files of an inbox.

    Args:
        config: What to watch.
        options: Fingerprint of the flags that change scores.
        ledger: Where complete files are entered.
        on_unreadable: Told of a file that cannot be read for now; returns when to try again, seconds since 1970.
        on_duplicate: Told of a new drop that has the bytes of an earlier one, and of that one.

    Attributes:
        files: Those of the last look that are known to the ledger, by content.
        passed_over: What else was there.

    With `only`, all of this is about files of such names alone.
    """

    def __init__(
        self,
        config: DropsConfig,
        options: str,
        ledger: Ledger,
        on_unreadable: Callable[[InboxFile, TemporaryError], float],
        on_duplicate: Callable[[Drop, Drop], None],
    ) -> None:
        self.files: dict[str, InboxFile] = {}
        self.passed_over: list[PassedOver] = []
        self._config = config
        self._options = options
        self._ledger = ledger
        self._on_unreadable = on_unreadable
        self._on_duplicate = on_duplicate
        self._arrivals = Arrivals(config.settle_seconds)
        self._retry_at: dict[bytes, float] = {}  # Of files that cannot be read.
        self._contents: dict[str, str] = {}  # By name; empty where it is not known yet.
        self._model = ""
        # Once for each model: two processes with other flags would else score each other's drops for ever.
        self._rescored: set[str] = set()
        self._lost_scores: dict[str, int] = {}

    @property
    def num_incomplete(self) -> int:
        """Files of the last look that are not complete."""
        return self._arrivals.num_incomplete

    def look(self, model: str) -> None:
        """List the inbox, and enter in the ledger what is complete and was not known.

        Args:
            model: Fingerprint of the model at hand.

        Raises:
            CharmillError: The inbox cannot be read, or the ledger cannot be used.
        """
        if model != self._model:
            self._model = model
            self._rescored.clear()
        listing = list_inbox(self._config.inbox, self._config.ready_suffix)
        files = [file for file in listing.files if self._is_named_so(file.name)]
        self.passed_over = [each for each in listing.passed_over if self._is_named_so(each.name)]
        hashed = self._ledger.hashed_files()
        wanted_again = self._ledger.wanted_again(model=model, options=self._options, rescore=self._config.rescore)
        lost = self.lost_scores() if self._config.rescore else {}
        self._lost_scores = {sha256: drop_id for sha256, drop_id in lost.items() if sha256 not in self._rescored}
        wanted_again |= self._lost_scores.keys()
        self.files, self._contents = {}, {}
        self._arrivals.begin_look(files)
        for file in files:
            signature, sha256 = hashed.get(file.key, ("", ""))
            if signature != file.signature:
                is_complete = self._arrivals.is_complete(file)
                sha256 = self._hash_and_enter(file) if is_complete else ""
                if not is_complete:
                    self.passed_over.append(PassedOver(name=file.name, why=INCOMPLETE, changed_at=file.changed_at))
            elif sha256 in wanted_again:
                self._enter(file, sha256, is_safe=True)
            self._contents[file.name] = sha256
            if sha256:
                self.files.setdefault(sha256, file)
        keys = {file.key for file in listing.files}
        self._ledger.forget_files([key for key in hashed if key not in keys])

    @property
    def is_empty(self) -> bool:
        """Whether the last look found no file that may be a drop."""
        return not self._contents

    def is_concerned(self, drop: Drop) -> bool:
        """Whether a drop is one to judge: with `only`, one that is named so or has a file that is."""
        return self._is_named_so(drop.name) or drop.sha256 in self.files

    def name_now(self, drop: Drop) -> str:
        """What a drop's file is called by the last look, where it was renamed or its copy is left."""
        file = self.files.get(drop.sha256)
        return drop.name if file is None or self._contents.get(drop.name) == drop.sha256 else file.name

    def has(self, drop: Drop) -> bool:
        """Whether the last look found a drop's file."""
        return drop.sha256 in self.files or (not drop.sha256 and drop.name in self._contents)

    def has_lost(self, drop: Drop) -> bool:
        """Whether a drop's file was taken away, or has other content now."""
        if not drop.sha256:  # A file that could not be read: once it can be, `look` enters it anew.
            return drop.name not in self._contents
        return drop.sha256 not in self.files and self._contents.get(drop.name) not in {"", drop.sha256}

    def seconds_left(self, *, skip_growing: bool) -> list[float]:
        """After how long the files of the last look will be complete, as `Arrivals` says."""
        return self._arrivals.seconds_left(skip_growing=skip_growing)

    def lost_scores(self) -> dict[str, int]:
        """The drops whose scores by the model and with the flags at hand are no longer in the outbox, by content."""
        scored = self._ledger.scored_drops(model=self._model, options=self._options)
        return {drop.sha256: drop.id for drop in scored if not (self._config.outbox / drop.scores).exists()}

    def _is_named_so(self, name: str) -> bool:
        return not self._config.only or fnmatchcase(name, self._config.only)

    def _hash_and_enter(self, file: InboxFile) -> str:
        """Returns the hash, or nothing where the file cannot be hashed now."""
        if self._retry_at.get(file.key, 0.0) > time.time():
            return ""
        try:
            hashed = hash_file(file)
        except TemporaryError as error:
            self._retry_at[file.key] = self._on_unreadable(file, error)
            return ""
        if hashed is None:
            return ""
        self._retry_at.pop(file.key, None)
        self._enter(file, hashed[0], is_safe=hashed[1])
        return hashed[0]

    def _enter(self, file: InboxFile, sha256: str, *, is_safe: bool) -> None:
        found = self._ledger.register(
            name=file.name,
            num_bytes=file.num_bytes,
            sha256=sha256,
            model=self._model,
            options=self._options,
            rescore=self._config.rescore and sha256 not in self._rescored,
            lost_scores=self._lost_scores.get(sha256),
            file=(file.key, file.signature) if is_safe else None,
        )
        self._rescored.add(sha256)
        if found is not None:
            self._on_duplicate(*found)
