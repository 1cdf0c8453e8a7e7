"""README.md and docs/ say what the program does: each job and flag is there, commands and links work, the common path runs as written."""

import csv
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from jobs.__main__ import JOBS
from jobs.cli.completion import SHELLS
from jobs.cli.help import HELP_FLAGS
from jobs.cli.parse import make_app, parse
from pipeline.errors import UsageError
from pipeline.text.synthetic import LABELS, titles
from tests.commands import ROOT, environment, write_charmill

README = ROOT / "README.md"
PAGES = {path.stem: path for path in (README, *sorted((ROOT / "docs").glob("*.md")))}
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES.values()}
HOMES = {
    "fetch": ["formats"],
    "encode": ["formats"],
    "train": ["training"],
    "score": ["formats"],
    "predict": ["formats"],
    "drops": ["operations", "formats"],
    "drops status": ["operations"],
    "report": ["training"],
    "export": ["formats"],
    "warm-up": ["operations"],
    "demo": ["README"],
    "bench": ["benchmarks"],
}
"""The pages on which a job and its flags are looked for; what all jobs take is on `COMMON_PAGE`."""
COMMON_PAGE = "operations"
OF_OTHERS = {"--now", "--extra-index-url", "--gigabytes"}
"""Flags that the pages name and that are not charmill's."""

_CALL = re.compile(r"(?<![\w./-])(?:[\w./-]*/)?(?:charmill(?= [a-z-])|python -m jobs(?:\.(\w+))?)")
_FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*(?![\w-])")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Where it is.
        line: Of its first line there, from 1.
        language: What stands behind the fence.
        text: What is in it.
    """

    page: Path
    line: int
    language: str
    text: str


def _blocks(page: Path) -> Iterator[Block]:
    text = TEXTS[page]
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])


def _prose(text: str) -> str:
    return re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _commands(text: str) -> Iterator[list[str]]:
    """The words behind charmill of each call in some lines, as a shell would give them; the job is the first of them."""
    for line in text.replace("\\\n", " ").splitlines():
        for call in _CALL.finditer(line):
            rest = line[call.end() :]
            if line[: call.start()].endswith('"'):  # A string of another language.
                rest = rest.partition('"')[0]
            lexer = shlex.shlex(rest, posix=True, punctuation_chars="();<>|&")
            lexer.whitespace_split = True
            words = [call[1].replace("_", "-")] if call[1] else []
            for word in lexer:
                if set(word) <= set("();<>|&"):
                    break
                words.append(word)
            yield words


def _fenced_commands() -> list[tuple[str, list[str]]]:
    return [
        (f"{block.page.name}:{block.line}", words)
        for page in TEXTS
        for block in _blocks(page)
        for words in _commands(block.text)
    ]


def _split(words: list[str]) -> tuple[str, list[str]]:
    """A job's name, which may have two words, and its command line."""
    length = 2 if " ".join(words[:2]) in JOBS else 1
    return " ".join(words[:length]), words[length:]


def _config(job: str) -> type[Any]:
    module, config, _ = JOBS[job]
    kind: type[Any] = getattr(import_module(module), config)
    return kind


def _flags(job: str, *, contraries: bool = False) -> set[str]:
    """A job's flags, short ones too; with the contraries of switches, or without."""
    names: set[str] = set()
    for argument in make_app(job, _config(job)).assemble_argument_collection():
        if argument.show and argument.index is None:
            names |= set(argument.names) - set(() if contraries else argument.negatives)
    return names


def _listed(lines: list[str]) -> str:
    return "\n".join(["", *lines])


def _anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_can_be_read_in_one_sitting() -> None:
    lines = TEXTS[README].splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 150] == []


def test_every_job_and_every_flag_is_on_its_page() -> None:
    assert HOMES.keys() == JOBS.keys()
    common = set.intersection(*map(_flags, JOBS)) | {"--threads", "--overwrite"}
    missing = []
    for job, names in HOMES.items():
        pages = [PAGES[name] for name in names]
        text = "\n".join(TEXTS[page] for page in pages)
        if f"charmill {job}" not in text and f"make {job}" not in text:
            missing.append(f"charmill {job}: not in {' or '.join(page.name for page in pages)}")
        missing += [
            f"charmill {job} {flag}: not in {' or '.join(page.name for page in pages)}"
            for flag in sorted(_flags(job) - common - set(_FLAG.findall(text)))
        ]
    missing += [
        f"{flag}: not in {COMMON_PAGE}.md, which has what all jobs take"
        for flag in sorted(common - set(_FLAG.findall(TEXTS[PAGES[COMMON_PAGE]])))
    ]
    assert not missing, _listed(missing)


def test_every_flag_that_is_named_exists() -> None:
    flags = {job: _flags(job, contraries=True) for job in JOBS}
    known = set.union(*flags.values(), HELP_FLAGS, {"--version", "--completion"})
    wrong = []
    for page, text in TEXTS.items():
        named = set(_FLAG.findall(text))
        wrong += [
            f"{page.name}: no job has {flag}" for flag in sorted(named - known - OF_OTHERS) if flag.startswith("--")
        ]
        for words in (words for code in re.findall(r"`([^`\n]+)`", _prose(text)) for words in _commands(code)):
            job, rest = _split(words)
            if job in JOBS:
                others = set(_FLAG.findall(" ".join(rest))) - flags[job] - HELP_FLAGS
                wrong += [f"{page.name}: charmill {job} has no {flag}" for flag in sorted(others)]
    assert not wrong, _listed(wrong)


def test_every_command_in_a_block_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CHARMILL_")]:
        monkeypatch.delenv(name)
    shown = set()
    wrong = []
    for where, words in _fenced_commands():
        job, rest = _split(words)
        shown.add(job)
        if job == "--completion":
            assert rest[0] in SHELLS, where
        elif job not in JOBS:
            wrong.append(f"{where}: there is no job {job!r}")
        else:
            try:
                assert parse(job, _config(job), rest) is not None
            except UsageError as error:
                wrong.append(f"{where}: charmill {shlex.join(words)}: {error}")
    assert not wrong, _listed(wrong)
    assert shown >= JOBS.keys() - {"demo"}, "each job has an example"


@pytest.mark.parametrize("page", [*TEXTS, ROOT / "data" / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _prose(page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"|^\[\w+\]: (\S+)$", text, re.MULTILINE)
    references = set(re.findall(r"\]\[(\w+)\]", text))
    assert references <= set(re.findall(r"^\[(\w+)\]: ", text, re.MULTILINE))
    wrong = []
    for link in ("".join(parts) for parts in links):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if re.match(r"https?://", link):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    assert not wrong, _listed(wrong)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_a_block_is_python(page: Path) -> None:
    for block in _blocks(page):
        if block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec")


def _lay_out_agnews(folder: Path, num_rows: int) -> None:
    """A small data/agnews/train.csv: of AG News where it is there, else of made-up titles; some texts come again, as in AG News."""
    folder.mkdir(parents=True)
    real = Path(os.environ.get("AGNEWS_DIR", "")) / "train.csv"
    if real.is_file():
        with real.open(encoding="utf-8") as file:
            rows = list(islice(csv.reader(file), num_rows))
    else:
        rows = [[str(LABELS.index(label) + 1), title, "and more"] for label, title in titles(num_rows, seed=0)]
    rows += [
        [str(int(label) % 4 + 1), title, text] for label, title, text in rows[:20]
    ]  # Two labels in the rows to train from,
    rows = rows[-20:] + rows[:-20] + rows[:20]  # and rows to score that training had.
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)


def _expected(text: str) -> str:
    """A pattern for what was printed: the names in front of each line count, numbers and classes in them and what stands behind do not."""
    lines = [r"(?:.*\n)*?" if line == "..." else re.escape(_name(line)) + "\n" for line in text.splitlines()]
    return "".join(lines)


def _name(line: str) -> str:
    return re.sub(r"\d+|World|Sports|Business|Sci/Tech", "0", re.split(r"(?<=\S)  ", line)[0])


def _run(block: Block, folder: Path, env: dict[str, str]) -> str:
    shell = ["bash", "-euc", block.text]
    done = subprocess.run(
        [sys.executable, "-Werror", "-c", block.text] if block.language == "python" else shell,
        capture_output=True,
        text=True,
        cwd=folder,
        env=env,
        check=False,
    )
    assert done.returncode == 0, f"{block.page.name}:{block.line}: {done.stderr}"
    return done.stdout


def test_the_common_path_and_the_page_of_formats_run_as_written(tmp_path: Path) -> None:
    script = write_charmill(tmp_path)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "CHARMILL_EPOCHS": "2", "CHARMILL_SETTLE": "0"})  # As written, but in less time.
    folder = tmp_path / "mine"
    _lay_out_agnews(folder / "data" / "agnews", 6_000)
    start = TEXTS[README].index("## The common path")
    first, last = (TEXTS[README].count("\n", 0, place) for place in (start, TEXTS[README].index("\n## ", start)))
    printed, checked = "", 0
    for block in _blocks(README):
        if not first < block.line < last:
            continue
        if block.language == "text":
            names = "".join(f"{_name(line)}\n" for line in printed.splitlines())
            assert re.fullmatch(_expected(block.text), names), f"{block.page.name}:{block.line}: it prints\n{printed}"
            checked += 1
        else:
            printed = _run(block, folder, env)
    assert checked >= 6

    (folder / "lines.txt").write_text("Oil prices climb, again\nLate goal, at last\n", encoding="utf-8")
    subprocess.run("gzip -c new.csv > export.csv.gz", shell=True, cwd=folder, check=True)
    for block in _blocks(PAGES["formats"]):
        if block.language in {"sh", "python"}:
            _run(block, folder, env)
