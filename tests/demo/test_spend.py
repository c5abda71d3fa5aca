"""The demo asks before it spends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dev.spend import ask_to_spend, estimate_usd

TOKEN = "token-that-must-not-be-shown"
DEMO = (sys.executable, "-m", "dev.demo", "--folder")


def demo_environment() -> dict[str, str]:
    return {**os.environ, "RUNCOMFY_TOKEN": TOKEN}


def test_the_estimate_is_the_sum_of_the_clips() -> None:
    # 3 s pro 0.112, 3 s standard 0.084, and three times 3 s standard with sound 0.126.
    assert estimate_usd() == pytest.approx(3 * 0.112 + 3 * 0.084 + 3 * 3 * 0.126)


def test_a_yes_beforehand_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    ask_to_spend({"RUNCOMFY_SPEND": "yes"})
    assert capsys.readouterr().out == (
        "RUNCOMFY_TOKEN is set, so this runs on the real RunComfy: 5 clips, about 1.72 USD of your balance "
        "(an estimate: prices may have changed).\nRUNCOMFY_SPEND=yes: going on.\n"
    )


@pytest.mark.slow
def test_without_anybody_to_ask_it_refuses(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, tmp_path / "demo"],
        env=demo_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "about 1.72 USD" in done.stdout
    assert done.stderr == (
        "\nThe demo ended: Nobody is here to be asked; RUNCOMFY_SPEND=yes allows it. Nothing was spent. "
        "Without RUNCOMFY_TOKEN the demo runs on the local sandbox, free of charge.\n"
    )
    assert TOKEN not in done.stdout
    assert not (tmp_path / "demo").exists(), "nothing was started"


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"\n", b"n\n", b"yes please\n"], ids=["nothing", "no", "unclear"])
def test_any_answer_but_yes_refuses(answer: bytes, tmp_path: Path) -> None:
    terminal, stdin = pty.openpty()
    os.write(terminal, answer)
    done = subprocess.run(
        [*DEMO, tmp_path / "demo"], env=demo_environment(), stdin=stdin, capture_output=True, text=True, check=False
    )
    os.close(terminal)
    os.close(stdin)
    assert done.returncode == 1
    assert done.stdout.endswith("Spend it? [y/N] ")
    assert "Nothing was spent." in done.stderr
    assert not (tmp_path / "demo").exists()
