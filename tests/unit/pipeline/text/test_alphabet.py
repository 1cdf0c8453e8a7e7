"""Profiles: the alphabet's rules, and a fingerprint that tells any two ways of encoding apart."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import MismatchError, UsageError
from pipeline.text import alphabet
from pipeline.text.alphabet import (
    MAX_LENGTH_LIMIT,
    PROFILES,
    Profile,
    StoredProfile,
    get_profile,
    profile_from_json,
    require_same_profile,
)

SEED = PROFILES["seed"]


def test_seed_is_the_articles_encoding() -> None:
    assert (SEED.num_codes, SEED.fill, SEED.max_length) == (28, 27, 64)
    assert SEED.fingerprint == "faf2adabe8b41ba5"  # Published datasets and models carry it.


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"alphabet": "bacdefghijklmnopqrstuvwxyz "},
        {"suffix": " end"},
        {"fill": 28},
        {"max_length": 65},
        {"cleaning": "none"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert replace(SEED, **change).fingerprint != SEED.fingerprint


def test_the_encoding_version_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SEED.fingerprint
    monkeypatch.setattr(alphabet, "ENCODING_VERSION", 2)
    assert SEED.fingerprint != before


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_codes_fit_and_the_fill_is_none_of_them(profile: Profile) -> None:
    if profile.cleaning == "fold":
        assert len(set(profile.alphabet)) == len(profile.alphabet)
        assert profile.table().max() < profile.fill
        assert " " in profile.alphabet
    assert profile.fill <= 255


@pytest.mark.parametrize("max_length", [-1, MAX_LENGTH_LIMIT + 1])
def test_impossible_lengths_are_refused(max_length: int) -> None:
    with pytest.raises(UsageError, match=f"--max-length {max_length}"):
        get_profile("seed", max_length)


def test_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'klingon'.*seed, ascii, bytes"):
        get_profile("klingon")


@pytest.mark.parametrize(
    "profile", [*PROFILES.values(), get_profile("seed", 100)], ids=lambda profile: str(profile.max_length)
)
def test_stored_profile_comes_back(profile: Profile) -> None:
    assert profile_from_json(profile.to_json(), "here") == profile


def test_stored_profile_of_another_charmill_is_refused_with_both_fingerprints() -> None:
    stored: StoredProfile = {**SEED.to_json(), "fingerprint": "0123456789abcdef"}
    with pytest.raises(MismatchError, match=f"0123456789abcdef.*{SEED.fingerprint}"):
        profile_from_json(stored, "run")
    with pytest.raises(MismatchError, match="'klingon'"):
        profile_from_json({**stored, "name": "klingon"}, "run")


def test_two_stored_profiles_must_be_the_same() -> None:
    require_same_profile("a", SEED.to_json(), "b", SEED.to_json())
    with pytest.raises(MismatchError, match=r"a has seed/64 .* b has seed/65"):
        require_same_profile("a", SEED.to_json(), "b", get_profile("seed", 65).to_json())
