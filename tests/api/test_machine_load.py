"""machine_load.py: by what the system counted for a thread, and by a probe."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from makemore.api import machine_load
from makemore.api.machine_load import MachineLoad, probed


@pytest.fixture
def scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /proc/thread-self/schedstat."""
    path = tmp_path / "schedstat"
    monkeypatch.setattr(machine_load, "SCHEDULED", path)
    return path


def test_waiting_beside_running(scheduled: Path) -> None:
    load = MachineLoad()
    scheduled.write_text("2000000000 3000000000 17\n")  # ran for 2 s, waited for 3
    assert load() == 2.5  # all so far
    scheduled.write_text("2400000000 3000000000 18\n")
    assert load() == 2.5  # 0.4 s of running say too little
    scheduled.write_text("3000000000 3000000000 19\n")
    assert load() == 1.0  # the last second was quiet
    scheduled.write_text("4000000000 7000000000 19\n")
    assert load() == 5.0


@pytest.mark.parametrize("text", ["", "0 0 0\n", "cpu\n"])
def test_a_system_that_does_not_say_is_probed(
    scheduled: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(machine_load, "probed", lambda: 3.0)
    scheduled.write_text(text)
    assert MachineLoad()() == 3.0
    scheduled.unlink()
    assert MachineLoad()() == 3.0


def test_a_probe_and_a_look_here() -> None:
    began = time.monotonic()
    assert 1.0 <= probed() < 1000
    assert 1.0 <= MachineLoad()() < 1000
    assert time.monotonic() - began < 30
