"""Downloads: a file from the web, whole and with the right MD5 or not at all.

Bytes go to `.NAME.partial` beside the target. That name survives a broken connection and a killed process, and the next attempt asks
only for what is missing. This module imports httpx, so jobs import it only where they download.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipeline.errors import CharmillError, InputError, MissingError, TemporaryError, UsageError, from_os_error
from pipeline.storage.publish import publish_file

CONNECT_SECONDS = 4.0  # for each address of a host, and it may have several; first packets are repeated after 1 and 3 s
MAX_WAIT_SECONDS = 10.0
_TRY_LATER = frozenset({408, 429})  # the two client errors after which the same request may succeed

Outcome = Literal["downloaded", "resumed", "already there"]
Show = Callable[[int, int], None]
"Called with the bytes of the file that are there, and how many of them this call received."


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a server, and how often."""

    timeout_seconds: float = 10.0
    "Silence after which a connection counts as broken."
    attempts: int = 3
    "Connections to try before giving up."
    wait_seconds: float = 0.5
    "The pause before the second attempt; each further one is twice as long."


def is_there(target: Path, md5: str, *, overwrite: bool = False) -> bool:
    """Whether the file is at the target already.

    Raises:
        UsageError: Another file is there and overwrite is off, or it is a folder.
    """
    try:
        if not target.exists():
            return False
        got = _md5_of(target)
    except OSError as error:
        raise from_os_error(error, "read", target) from error
    if got != md5 and not overwrite:
        raise UsageError(
            f"{target}: another file is there: expected md5 {md5}, got {got}; move it away, or add --overwrite to replace it",
            path=target,
        )
    return got == md5


def download(
    url: str, target: Path, md5: str, *, patience: Patience, show: Show | None = None, overwrite: bool = False
) -> Outcome:
    """Download a file, going on from what an earlier call left. The caller holds the folder, as with `staging.exclusive`.

    Raises:
        MissingError: The host cannot be reached, or has no such file.
        TemporaryError: The connection broke too often, and what came so far is kept; or the disk is full.
        InputError: The server gives another file; nothing is kept.
        UsageError: Another file is at the target, or the URL means nothing.
    """
    if is_there(target, md5, overwrite=overwrite):
        return "already there"
    try:
        with open_client(url, patience) as client:
            transfer = _Transfer(client, url, target, patience, show or (lambda _there, _received: None))
            transfer.fetch(md5)
            publish_file(transfer.partial, target)
            return "resumed" if transfer.resumed else "downloaded"
    except OSError as error:
        raise from_os_error(error, "write", target) from error


class _Transfer:
    """What is known of one file between one attempt and the next."""

    def __init__(self, client: httpx.Client, url: str, target: Path, patience: Patience, show: Show) -> None:
        self.partial = target.with_name(f".{target.name}.partial")
        self.resumed = False
        self._client = client
        self._url = url
        self._patience = patience
        self._show = show
        self._reached = False
        self._validator = ""
        self._num_received = 0

    def fetch(self, md5: str) -> None:
        """Receive the whole file, fsynced, at `partial`.

        Raises:
            InputError: The server gives another file.
        """
        self.resumed = _size(self.partial) > 0  # killed between the last byte and the renaming: nothing to ask for
        if self.resumed and _md5_of(self.partial) == md5:
            return
        for _ in range(2):
            self._receive_all()
            got, num_bytes = _md5_of(self.partial), _size(self.partial)
            if got == md5:
                return
            self.partial.unlink()
            if not self.resumed:  # else the pieces may be of different files, and the server's fault is not shown yet
                break
        raise InputError(
            f"{self._url}: it is not the file that was asked for: expected md5 {md5}, got {got} ({num_bytes:,} bytes); "
            "nothing was published; look at what the address shows (a login page?), or name another with --url",
            path=self.partial,
        )

    def _receive_all(self) -> None:
        attempts = self._patience.attempts
        retrying = Retrying(
            retry=retry_if_exception_type(TemporaryError),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=self._patience.wait_seconds, max=MAX_WAIT_SECONDS),
            reraise=True,
        )
        try:
            retrying(self._attempt)
        except TemporaryError as error:
            kept = _size(self.partial)
            onward = f"{kept:,} bytes are kept: run it again to go on from there" if kept else "run it again later"
            raise TemporaryError(f"{error} (attempts: {attempts}); {onward}", path=self.partial) from error

    def _attempt(self) -> None:
        try:
            if not self._request(_size(self.partial)):
                self.partial.unlink()
                self._request(0)
        except (httpx.InvalidURL, UnicodeError) as error:  # the latter is the resolver's, on a host such as a..b
            raise UsageError(f"{self._url}: it is not a web address: {_reason(error)}; check --url") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise self._converted(error) from error

    def _request(self, offset: int) -> bool:
        """Receive the file from an offset on; False where the server has nothing there."""
        headers = {"Accept-Encoding": "identity"}  # an offset counts the file's bytes, not those of a compressed answer
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._validator:
                headers["If-Range"] = self._validator
        with self._client.stream("GET", self._url, headers=headers) as response:
            self._reached = True
            if offset and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return False
            self.resumed = bool(offset) and response.status_code == httpx.codes.PARTIAL_CONTENT
            if not self.resumed and response.status_code != httpx.codes.OK:
                raise self._refusal(response)
            etag = response.headers.get("ETag", "")
            # A weak tag promises the same meaning, not the same bytes.
            self._validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
            self._receive(response, offset if self.resumed else 0)
        return True

    def _receive(self, response: httpx.Response, offset: int) -> None:
        with self.partial.open("ab" if offset else "wb") as file:
            # As it comes: with a chunk size, httpx drops the last piece when the connection breaks off.
            for chunk in response.iter_raw():
                file.write(chunk)
                self._num_received += len(chunk)
                self._show(file.tell(), self._num_received)
            file.flush()
            os.fsync(file.fileno())

    def _refusal(self, response: httpx.Response) -> CharmillError:
        kind = TemporaryError if response.is_server_error or response.status_code in _TRY_LATER else MissingError
        return kind(f"{self._url}: the server answered {response.status_code} {response.reason_phrase}".rstrip())

    def _converted(self, error: httpx.HTTPError | httpx.StreamError) -> CharmillError:
        if isinstance(error, httpx.TooManyRedirects | httpx.UnsupportedProtocol):
            return MissingError(f"{self._url}: it leads nowhere: {_reason(error)}")
        unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
        if unreachable and not self._reached:
            return MissingError(f"{self._url}: cannot reach {httpx.URL(self._url).host}: {_reason(error)}")
        return TemporaryError(f"{self._url}: the connection broke off: {_reason(error)}")


def open_client(url: str, patience: Patience) -> httpx.Client:
    """A client for an address that waits no longer for anything than patience allows, and less for a connection.

    Raises:
        MissingError: The environment names a proxy or certificates that make no sense.
    """
    seconds = patience.timeout_seconds
    timeout = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
    try:
        return httpx.Client(timeout=timeout, follow_redirects=True)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise MissingError(
            f"{url}: cannot prepare a connection: {_reason(error)}; check the proxy and SSL_CERT_FILE variables"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
