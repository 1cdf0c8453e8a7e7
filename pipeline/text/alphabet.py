"""Profiles: how text becomes codes, and the fingerprint that tells two ways apart. Never imports Polars.

A profile is data, not code. The kernel in encode_kernel.py reads a table of 256 codes, one for each UTF-8 byte; what a byte maps to,
whether runs of spaces collapse, what is appended and what fills the rest of the row is all written here.
"""

import hashlib
import json
import string
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt

from pipeline.errors import MismatchError, UsageError

Codes = npt.NDArray[np.uint8]

MAX_LENGTH_LIMIT = 65_536
ENCODING_VERSION = 1  # Bump when the same profile would give other codes.


class StoredProfile(TypedDict):
    """What manifests and model files say of a profile."""

    name: str
    max_length: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How text becomes codes.

    Attributes:
        name: What ``--profile`` calls it.
        alphabet: The characters with a code of their own, in the order of their codes; empty for raw UTF-8 bytes.
        suffix: Text appended to every cleaned text before it is cut.
        fill: The code of the positions after the text: an all-zero row in one-hot form, never a set channel.
        max_length: Codes a row (L).
        cleaning: ``"fold"`` lower-cases, turns what is not in the alphabet into a space and collapses and strips spaces;
            ``"none"`` takes every byte as it is.
    """

    name: str
    alphabet: str
    suffix: str
    fill: int
    max_length: int
    cleaning: Literal["fold", "none"]

    def __post_init__(self) -> None:
        if not 1 <= self.max_length <= MAX_LENGTH_LIMIT:
            raise UsageError(f"--max-length {self.max_length}: expected 1 to {MAX_LENGTH_LIMIT}")

    @property
    def num_codes(self) -> int:
        """Distinct codes with the fill code counted: the channels C of the one-hot form."""
        return self.fill + 1

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever any code of any text would."""
        content = {**asdict(self), "encoding_version": ENCODING_VERSION}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def table(self) -> Codes:
        """The code of each UTF-8 byte, uint8 [256], owned by the caller."""
        if self.cleaning == "none":
            return np.arange(256, dtype=np.uint8)
        table = np.full(256, self.alphabet.index(" "), dtype=np.uint8)
        for code, character in enumerate(self.alphabet):
            table[ord(character)] = code
            table[ord(character.upper())] = code
        return table

    def suffix_codes(self) -> Codes:
        """The codes of the suffix, uint8 [len(suffix)], owned by the caller."""
        return np.array([self.alphabet.index(character) for character in self.suffix], dtype=np.uint8)

    def to_json(self) -> StoredProfile:
        """What manifests and model files store of a profile."""
        return {"name": self.name, "max_length": self.max_length, "fingerprint": self.fingerprint}


_ASCII = string.ascii_lowercase + string.digits + " !\"#$%&'()*+,-./:;<=>?@[]_~\\"

DEFAULT_PROFILE = "bytes"
"""Loses nothing of any language; `seed` loses digits, capitals and all but a to z."""

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="seed",
            alphabet=string.ascii_lowercase + " ",
            suffix=" eos",
            fill=27,
            max_length=64,
            cleaning="fold",
        ),
        Profile(name="ascii", alphabet=_ASCII, suffix="", fill=len(_ASCII), max_length=128, cleaning="fold"),
        # 0xFF is a byte that no UTF-8 text contains, so it can mean "after the text".
        Profile(name="bytes", alphabet="", suffix="", fill=0xFF, max_length=128, cleaning="none"),
    )
}


def get_profile(name: str, max_length: int = 0) -> Profile:
    """Find a profile by name.

    Args:
        name: One of ``PROFILES``.
        max_length: Codes a row; 0 keeps the profile's own.

    Raises:
        UsageError: There is no such profile, or the length is out of range.
    """
    if name not in PROFILES:
        raise UsageError(f"profile {name!r}: expected one of {', '.join(PROFILES)}")
    return replace(PROFILES[name], max_length=max_length) if max_length else PROFILES[name]


def profile_from_json(stored: StoredProfile, where: str) -> Profile:
    """Rebuild the profile that a manifest or a model names, and refuse it if it would now give other codes.

    Raises:
        MismatchError: This charmill's profile of that name and length has another fingerprint.
    """
    try:
        profile = get_profile(stored["name"], stored["max_length"])
    except UsageError as error:
        raise MismatchError(f"{where}: {error}; encode and train again with this charmill") from error
    require_same_profile(where, stored, "this charmill", profile.to_json())
    return profile


def require_same_profile(where_a: str, a: StoredProfile, where_b: str, b: StoredProfile) -> None:
    """Refuse to go on when two stored profiles differ.

    Raises:
        MismatchError: Names both sides with both fingerprints.
    """
    if a["fingerprint"] != b["fingerprint"]:
        raise MismatchError(
            f"profile mismatch: {where_a} has {a['name']}/{a['max_length']} ({a['fingerprint']}), "
            f"{where_b} has {b['name']}/{b['max_length']} ({b['fingerprint']}); "
            "encode again with the profile of the one you want to keep"
        )
