"""What inputs are called: the endings of their formats, and those of their compression."""

ENDINGS = (".csv", ".tsv")
COMPRESSED_ENDINGS = ("", ".gz", ".zst")

_STRIPPED = (*ENDINGS, ".txt", *filter(None, COMPRESSED_ENDINGS))


def has_ending(name: str) -> bool:
    """Whether a file name has the ending of a format, plain or compressed, in small or capital letters."""
    return name.lower().endswith(tuple(ending + compressed for ending in ENDINGS for compressed in COMPRESSED_ENDINGS))


def stem(name: str) -> str:
    """A file name without such endings and ``.txt``; something is left of any name."""
    lower = name.lower()
    for ending in _STRIPPED:
        if lower.endswith(ending) and len(name) > len(ending):
            return stem(name[: -len(ending)])
    return name
