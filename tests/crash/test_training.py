"""A training that is killed at any moment, again and again, ends with the same bytes as one that is not."""

import json
import random
import time
from pathlib import Path
from typing import Any

from tests.commands import call, files_in, start
from tests.datasets import SMALL_BUCKETS, make_dataset

SMALL = f"from model.architectures.ngram.config import NgramConfig\nNgramConfig.__init__.__kwdefaults__['buckets'] = {SMALL_BUCKETS}"
NUM_KILLS = 3


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_sigkill_and_resume(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, 500, valid_fraction=0.2, shard_rows=100)
    # The best epoch comes early, so that most checkpoints hold its weights beside the last ones.
    flags = [
        "--keep-best",
        "--best-by",
        "accuracy",
        "--epochs",
        10,
        "--batch-size",
        16,
        "--threads",
        1,
        "--baseline",
        "none",
        "--json",
    ]
    done = call("train", dataset, "--out", tmp_path / "whole", *flags, prelude=SMALL)
    assert done.code == 0, done.err
    assert done.report["weights_epoch"] < 10
    out = tmp_path / "killed"
    flags += ["--checkpoint-seconds", 0, "--resume"]
    choose = random.Random(1)
    for kill in range(NUM_KILLS):
        process = start("train", dataset, "--out", out, *flags, prelude=SMALL)
        checkpoint = out / "checkpoints" / "last.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                break
            time.sleep(0.002)
        time.sleep(choose.uniform(0, 0.25))
        assert process.poll() is None, f"it ended before kill {kill}: {process.communicate()}"
        process.kill()
        process.communicate()
        assert not (out / "model.json").exists()
        if kill == 1:
            # What a kill in the middle of writing leaves behind must do no harm.
            (checkpoint.with_name(".last.safetensors.partial")).write_bytes(b"half")
    done = call("train", dataset, "--out", out, *flags, prelude=SMALL)
    assert done.code == 0, done.err
    assert done.report["resumed"]
    for name in ("model.safetensors", "model.json", "evaluation.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert _metrics(out) == _metrics(tmp_path / "whole")
    assert not [name for name in files_in(out) if name.endswith(".partial")]
