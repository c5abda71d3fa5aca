"""Kill processes at random, with trouble at RunComfy on top, and account for every clip."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from dev.airflow_client import TaskInstance
from dev.faults import components
from dev.faults.components import SCHEDULER, TRIGGERER
from dev.faults.processes import kill, runners
from dev.faults.stage import TOKEN, Stage, account
from dev.faults.table import Row

TASK = "task"
_DAG = "faults_generate"
_CLIPS = 12
# How far the order may be left for a kill that is possible now.
_AHEAD = 4


@dataclass
class Deck:
    """
    What is killed, in an order that the dice decide; every kind has its share, whatever the seed.

    :param kills: how many in all; a twelfth of them, one at least, are schedulers, and as many triggerers.
    """

    kills: int
    dice: random.Random
    cards: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Shuffle."""
        self.cards = [kind for kind, number in self.shares.items() for _ in range(number)]
        self.dice.shuffle(self.cards)

    @property
    def shares(self) -> dict[str, int]:
        """How many of each kind are killed."""
        few = max(1, self.kills // 12)
        return {TASK: self.kills - 2 * few, TRIGGERER: few, SCHEDULER: few}

    @property
    def ahead(self) -> list[str]:
        """What may be killed next, the first first."""
        return self.cards[:_AHEAD]


def campaign(stage: Stage, *, kills: int, seed: int) -> list[Row]:
    """Run twelve mapped clips again and again until so many kills were done; a row for each run."""
    dice = random.Random(seed)
    print(f"         seed {seed}", flush=True)
    deck = Deck(kills, dice)
    rows: list[Row] = []
    while deck.cards:
        if len(rows) > kills:
            raise TimeoutError(f"after {len(rows)} runs these kills are still to be done: {Counter(deck.cards)}")
        _trouble(stage, dice)
        rows.append(_one_run(stage, dice, len(rows), deck))
        stage.sandbox.clear_faults()
    done = sum((Counter(row.kinds) for row in rows), Counter())
    print(f"         killed in all: {', '.join(f'{number} {kind}' for kind, number in done.items())}", flush=True)
    if done != deck.shares:
        rows[-1] = replace(rows[-1], faults=(*rows[-1].faults, f"killed {dict(done)}, wanted {deck.shares}"))
    return rows


def _trouble(stage: Stage, dice: random.Random) -> None:
    sandbox = stage.sandbox
    for code in (500, 502, 503, 504):
        sandbox.add_fault("status", code=code, calls=["status", "result"], times=dice.randint(1, 2))
    sandbox.add_fault("status", code=429, calls=["status"], headers={"Retry-After": "1"}, times=dice.randint(1, 2))
    sandbox.add_fault("status", code=429, calls=["submit"], headers={"Retry-After": "1"}, times=dice.randint(1, 2))
    sandbox.add_fault("lost_answer", calls=["status", "result"], times=dice.randint(1, 2))
    # It may echo the token; nobody must write that down.
    echo = {"error_message": f"token {TOKEN} is having a bad day"}
    sandbox.add_fault("status", code=500, calls=["status", "result"], body=echo, times=2)
    sandbox.add_fault("truncate", after_bytes=dice.randint(0, 30_000), times=dice.randint(2, 6))


def _one_run(stage: Stage, dice: random.Random, number: int, deck: Deck) -> Row:
    prefix = f"campaign-{number}"
    run_id = stage.start(_DAG, prefix, _CLIPS)
    done: Counter[str] = Counter()
    deadline = time.monotonic() + 600 * stage.slow_by
    while stage.airflow.client.run_state(_DAG, run_id) in ("queued", "running"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{prefix} has not ended in time")
        time.sleep(dice.uniform(0.2, 2.0))
        for kind in dict.fromkeys(deck.ahead):
            if _kill_one(stage, dice, kind):
                deck.cards.remove(kind)
                done[kind] += 1
                break
    instances = stage.airflow.client.task_instances(_DAG, run_id)
    return _row(stage, prefix, run_id, done, instances)


def _kill_one(stage: Stage, dice: random.Random, kind: str) -> bool:
    """Kill one of a kind, if there is one at work: killed while they start they would never do anything."""
    if kind == TASK:
        found = runners(stage.airflow.home)
        return bool(found) and kill([dice.choice(found)])
    if not components.is_at_work(stage, kind):
        return False
    components.replace(stage, kind)
    return True


def _row(stage: Stage, prefix: str, run_id: str, done: Counter[str], instances: list[TaskInstance]) -> Row:
    found = account(stage, prefix, _CLIPS)
    reported = {
        one.key.map_index
        for one in instances
        if one.key.task_id.endswith(".make")
        and one.state == "failed"
        and "UnknownSubmissionError" in stage.log(one, run_id)
    }
    faults = []
    if found.wrong:
        faults.append(f"{found.wrong} wrong objects")
    stored = 0
    for index in range(_CLIPS):
        ids = found.paid.get(f"{prefix}/{index}", [])
        if len(ids) > 1:
            faults.append(f"clip {index} was paid {len(ids)} times: {ids}")
        if index not in reported:
            stored += 1
            if len(ids) != 1:
                faults.append(f"clip {index} was paid {len(ids)} times, and no unknown submission was reported")
    if found.stored != stored:
        faults.append(f"stored {found.stored}, expected {stored}")
    states = [f"{one.key} is {one.state}" for one in instances if one.state not in ("success", "upstream_failed")]
    if len(states) > len(reported):
        faults.append("; ".join(states))
    return Row(prefix, done.total(), _CLIPS, found, len(reported), tuple(faults), dict(done))
