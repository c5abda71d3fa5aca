"""What the sampler of the cluster run counts: whole trees, and those that have ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dev.distributed.sampling import Sampler

# It burns CPU in a child that ends, then starts one in a session of its own, which stays.
PROGRAM = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", burn])
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
print(flush=True)
input()
child.communicate(b"\\n")
"""


@pytest.fixture
def leader() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.communicate(b"\n")


def test_a_part_is_its_leader_and_all_that_descends_from_it(leader: subprocess.Popen[bytes]) -> None:
    sampler = Sampler()
    sampler.watch("part", leader.pid)

    sampler.sample()

    usage = sampler.usages["part"]
    assert usage.processes == 2
    assert usage.cpu > 0.3
    assert 0 < usage.pss <= usage.rss


def test_cpu_counts_from_the_beginning(leader: subprocess.Popen[bytes]) -> None:
    sampler = Sampler()
    sampler.watch("part", leader.pid)

    sampler.begin()

    assert sampler.cpu("part") < 0.1
