"""Measure the window in which a kill leaves a submission unknown: from the intent's being kept to the record's."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from dev.faults.points import is_intent, is_new_id, is_submit
from dev.faults.processes import ti_id
from dev.faults.stage import Stage
from dev.gate import Exchange, Gate, Stop, When

# A busy API server gets some writes twice, and the first of them is what counts.
_EVERY = 1_000_000


def measure_windows(stage: Stage, *, clips: int) -> list[tuple[str, str, str, str]]:
    """Run ``clips`` submits undisturbed, and as many over TLS; return what must be, what is, and what is wrong."""
    return [
        _measure(stage, "plain HTTP", "faults_window_default", stage.to_runcomfy, clips),
        _measure(stage, "TLS", "faults_window_tls", stage.to_runcomfy_tls, clips),
    ]


def _measure(stage: Stage, name: str, dag_id: str, to_runcomfy: Gate, clips: int) -> tuple[str, str, str, str]:
    width, write, post = Span(), Span(), Span()
    with (
        stage.to_airflow.stopping(Stop(is_intent, When.AFTER, lambda e: width.begin(ti_id(e)), times=_EVERY)),
        stage.to_airflow.stopping(Stop(is_new_id, When.BEFORE, lambda e: write.begin(ti_id(e)), times=_EVERY)),
        stage.to_airflow.stopping(Stop(is_new_id, When.AFTER, lambda e: _recorded(e, width, write), times=_EVERY)),
        to_runcomfy.stopping(Stop(is_submit, When.BEFORE, lambda e: post.begin(e.peer_port), times=_EVERY)),
        to_runcomfy.stopping(Stop(is_submit, When.AFTER, lambda e: post.end(e.peer_port), times=_EVERY)),
    ):
        stage.wait(dag_id, stage.start(dag_id, f"window-{name.rsplit(maxsplit=1)[-1].lower()}", clips))
    counts = [len(span.took) for span in (width, write, post)]
    must = f"{clips} measured"
    if counts != [clips] * 3:
        return f"window over {name}", must, f"{counts} measured", f"of {clips} submits were measured: {counts}"
    median, most = statistics.median(width.took.values()), max(width.took.values())
    print(
        f"         From the intent's being kept to the record's, over {name}, {clips} submits, eight at a time: median "
        f"{median:.0f} ms, at most {most:.0f} ms; of this Airflow's keeping of the record takes "
        f"{statistics.median(write.took.values()):.0f} ms, and the POST at the sandbox "
        f"{statistics.median(post.took.values()):.0f} ms.",
        flush=True,
    )
    return f"window over {name}", must, f"{clips} measured, median {median:.0f} ms, at most {most:.0f} ms", ""


def _recorded(exchange: Exchange, *spans: Span) -> bool:
    for span in spans:
        span.end(ti_id(exchange))
    return True


@dataclass
class Span:
    """
    How long something takes for each of many.

    :param took: milliseconds, from the first beginning to the first end.
    """

    took: dict[str | int | None, float] = field(default_factory=dict)
    _began: dict[str | int | None, float] = field(default_factory=dict)

    def begin(self, whose: str | int | None) -> bool:
        """Note the beginning of one; the exchange goes on."""
        self._began.setdefault(whose, time.monotonic())
        return True

    def end(self, whose: str | int | None) -> bool:
        """Note the end of one, if its beginning was seen; the exchange goes on."""
        if whose in self._began:
            self.took.setdefault(whose, 1000 * (time.monotonic() - self._began[whose]))
        return True
