"""How reports write text and figures: nothing from the data can steer the page, and no figure is longer than it is worth."""

import math
import re

from model.runs.accuracy import Accuracy
from model.runs.evaluation import RunEvaluation

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\uffff]"
)
_CONTROL_PICTURES = 0x2400
NONE = "\u2013"
_MOST_SOURCES = 5


def visible(text: str) -> str:
    """Text with a sign in the place of each character that is not seen or turns what stands around it: controls, separators, bidi marks."""
    return _STEERING.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if 0xD800 <= code < 0xE000 or code >= 0xFFF9:
        return "\ufffd"
    return "\u2421" if code == 0x7F else f"\u27e8U+{code:04X}\u27e9"


def shorten(text: str, most: int) -> str:
    """Visible text of at most so many characters, the last of them an ellipsis where there was more."""
    shown = visible(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "\u2026"


def character_name(character: str) -> str:
    """A character as a label, the space visible."""
    return "\u2423" if character == " " else visible(character)


def percent(share: float | None, digits: int = 2) -> str:
    """A share of one, as ``84.44 %``; a dash for none."""
    if share is None or not math.isfinite(share):
        return NONE
    return f"{100 * share:.{digits}f} %"


def measured(accuracy: Accuracy) -> str:
    """An accuracy, as ``87.22 % (86.3 to 88.1, 5,103 rows)``."""
    return str(accuracy).replace("%", " %")


def figure(value: float | None, digits: int = 4) -> str:
    """A number with so many decimals; a dash for none."""
    if value is None or math.isnan(value):
        return NONE
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def size(num_bytes: int) -> str:
    """Bytes in the unit that suits them."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes} bytes"


def duration(seconds: float) -> str:
    """Seconds, or minutes from two on, or hours."""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def threshold(confidence: float) -> str:
    """A confidence as `--min-confidence` takes it, to the last bit of a float32."""
    return f"{confidence:.9g}"


def setting(value: object) -> str:
    """A value of the configuration, as its file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def source_files(evaluation: RunEvaluation) -> str:
    """The files that the rows came from, the first few by name, each with its rows."""
    sources = evaluation.sources
    named = [f"{shorten(one.name, 80)} ({one.rows:,} rows)" for one in sources[:_MOST_SOURCES]]
    if others := sources[_MOST_SOURCES:]:
        named.append(f"{len(others):,} more ({sum(one.rows for one in others):,} rows)")
    return ", ".join(named)
