"""``python -m jobs.fetch``: a public data set from the web, checked, in a folder."""

import math
import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jobs.cli.command import run_command
from jobs.cli.flags import CommonConfig
from jobs.cli.help import INPUT, OUTPUT, RARE
from pipeline.errors import MissingError, UsageError, from_os_error

if TYPE_CHECKING:
    from pipeline.execution.meter import Figures, Meter
    from pipeline.storage.download import Outcome


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a data set."""

    name: str
    md5: str
    about_bytes: int = 0
    "For the bar only: what the file is, its md5 says."


@dataclass(frozen=True, kw_only=True)
class RemoteDataset:
    """Where a data set lies, and of which files it consists."""

    url: str
    files: tuple[RemoteFile, ...]
    folder_variable: str
    "The environment variable by which other jobs and the tests find the folder."


DATASETS: Mapping[str, RemoteDataset] = {
    "agnews": RemoteDataset(
        url="https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv",
        files=(
            RemoteFile(name="train.csv", md5="b1a00f826fdfbd249f79597b59e1dc12", about_bytes=29_470_338),
            RemoteFile(name="test.csv", md5="d52ea96a97a2d943681189a97654912d", about_bytes=1_857_427),
        ),
        folder_variable="AGNEWS_DIR",
    )
}


@Parameter(name="*")
@dataclass(frozen=True)
class FetchConfig:
    """Download a public data set and check it; go on with a download that broke off, and leave alone a file that is there already.

    Examples:
        fetch agnews
    """

    dataset: Annotated[
        Literal["agnews"],
        INPUT,
        Parameter(name="NAME", help="agnews is AG News: train.csv and test.csv, label, title, description."),
    ]
    _: KW_ONLY
    out: Annotated[Path, OUTPUT, Parameter(alias="-o", metavar="DIR")] = Path("data/agnews")
    "The folder for the files."
    url: Annotated[str, INPUT, Parameter(show_default="the data set's public copy")] = ""
    "The web folder to take the files from, such as a mirror."
    timeout_seconds: Annotated[float, RARE] = 10.0
    "Give up on a connection that is silent for so long."
    retries: Annotated[int, RARE] = 3
    "Attempts a file; each goes on where the one before broke off."
    common: CommonConfig = field(default_factory=CommonConfig)

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise UsageError(f"--url {self.url}: expected an address that starts with http:// or https://")
        if not 0 < self.timeout_seconds < math.inf:
            raise UsageError(f"--timeout-seconds {self.timeout_seconds:g}: expected more than 0")
        if self.retries < 1:
            raise UsageError(f"--retries {self.retries}: expected 1 or more")


def run(
    config: FetchConfig, *, datasets: Mapping[str, RemoteDataset] = DATASETS, wait_seconds: float = 0.5
) -> dict[str, Any]:
    """Download what is not there yet.

    Args:
        config: What, from where and into which folder.
        datasets: Those there are, by name.
        wait_seconds: Pause before the second attempt at a file; each further one is twice as long.

    Raises:
        CharmillError: A file could not be had; those before it are there, and a part of it may be kept to go on from.
    """
    from pipeline.storage.download import is_there
    from pipeline.storage.publish import require_local
    from pipeline.storage.staging import exclusive

    require_local(config.out, remedy="name a folder")
    started = time.monotonic()
    dataset = datasets[config.dataset]
    overwrite = config.common.overwrite
    # All files are looked at before the first byte comes, and where nothing is missing the folder may be read-only.
    missing = [file for file in dataset.files if not is_there(config.out / file.name, file.md5, overwrite=overwrite)]
    outcomes: dict[str, Outcome] = {file.name: "already there" for file in dataset.files}
    num_received = 0
    if missing:
        try:
            config.out.mkdir(parents=True, exist_ok=True)
            with exclusive(config.out):
                num_received = _download(config, dataset.url, missing, outcomes, wait_seconds)
        except MissingError as error:
            raise MissingError(f"{error}; {_by_hand(config.out, dataset)}", path=config.out) from error
        except OSError as error:
            raise from_os_error(error, "write", config.out) from error
    paths = [config.out / file.name for file in dataset.files]
    return {
        "dataset": config.dataset,
        "files": outcomes,
        "bytes": sum(path.stat().st_size for path in paths),
        "bytes_received": num_received,
        "seconds": round(time.monotonic() - started, 3),
        "outputs": [str(path) for path in paths],
    }


def _download(
    config: FetchConfig, url: str, missing: list[RemoteFile], outcomes: "dict[str, Outcome]", wait_seconds: float
) -> int:
    """Download files one after the other, note how each went, and return the bytes received."""
    from jobs.cli.console import metered
    from pipeline.storage.download import Patience, download

    base = (config.url or url).rstrip("/")
    patience = Patience(timeout_seconds=config.timeout_seconds, attempts=config.retries, wait_seconds=wait_seconds)
    with metered(config.common.log, "fetch", sum(file.about_bytes for file in missing)) as meter:
        tally = _Tally(meter)
        for file in missing:
            tally.start_file()
            outcomes[file.name] = download(
                f"{base}/{file.name}",
                config.out / file.name,
                file.md5,
                patience=patience,
                show=tally.show,
                overwrite=config.common.overwrite,
            )
    return tally.received


class _Tally:
    """Adds up the bytes of one file after the other and shows them."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._started = time.monotonic()
        self._there_before = self._received_before = 0
        self.there = 0
        self.received = 0

    def start_file(self) -> None:
        self._there_before, self._received_before = self.there, self.received

    def show(self, there: int, received: int) -> None:
        self.there, self.received = self._there_before + there, self._received_before + received
        self._meter.update(self.there, self._figures)

    def _figures(self) -> "Figures":
        seconds = max(time.monotonic() - self._started, 1e-9)
        return {"MB": f"{self.there / 1e6:.1f}", "MB/s": f"{self.received / seconds / 1e6:.1f}"}


def _by_hand(out: Path, dataset: RemoteDataset) -> str:
    names = " and ".join(file.name for file in dataset.files)
    return f"to do it by hand, put {names} into {out} and set {dataset.folder_variable}={out}"


def render(report: dict[str, Any]) -> str:
    """The report as text."""
    from jobs.cli.console import table

    return table(
        {
            **report["files"],
            "bytes": report["bytes"],
            "bytes received": report["bytes_received"],
            "seconds": report["seconds"],
            "files": report["outputs"],
        }
    )


def main() -> None:
    """Run the command."""
    run_command("fetch", FetchConfig, run, render)


if __name__ == "__main__":
    main()
