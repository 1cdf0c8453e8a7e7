"""The oracle: charmill's encoders in plain Python semantics on str, slow and obvious. Every fast path must equal it."""

import re

from pipeline.text.alphabet import Profile

SEED_ALPHABET = "abcdefghijklmnopqrstuvwxyz "


def clean_seed(text: str) -> str:
    """The article's cleaning, step by step."""
    text = text.lower()
    text = re.sub(r"[^a-z]", " ", text)
    text = re.sub(r" +", " ", text)
    return text.strip() + " eos"


def encode_seed(text: str, max_length: int = 64) -> list[int]:
    codes = [SEED_ALPHABET.index(character) for character in clean_seed(text)[:max_length]]
    return codes + [27] * (max_length - len(codes))


def encode_ascii(text: str, alphabet: str, max_length: int) -> list[int]:
    text = "".join(character if character in alphabet else " " for character in text.lower())
    text = re.sub(r" +", " ", text).strip(" ")
    codes = [alphabet.index(character) for character in text[:max_length]]
    return codes + [len(alphabet)] * (max_length - len(codes))


def encode_bytes(text: str, max_length: int) -> list[int]:
    codes = list(text.encode())[:max_length]
    return codes + [255] * (max_length - len(codes))


def encode(text: str, profile: Profile) -> list[int]:
    """The oracle of the profile's name."""
    if profile.name == "seed":
        return encode_seed(text, profile.max_length)
    if profile.name == "ascii":
        return encode_ascii(text, profile.alphabet, profile.max_length)
    return encode_bytes(text, profile.max_length)
