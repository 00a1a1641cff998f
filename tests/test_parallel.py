"""parallel.py: the cores that a process may keep busy. Its threads are tested in test_device.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from makemore import parallel
from makemore.parallel import NO_LIMIT, cpu_quota, default_threads, usable_cores

Machine = Callable[[str, dict[str, str]], Path]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a root folder: what /proc/self/cgroup says, and files of /sys/fs/cgroup by path."""

    def made(groups: str, files: dict[str, str]) -> Path:
        texts = {"proc/self/cgroup": groups}
        texts |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return made


SLICE = "user.slice/session-3.scope"
V1 = "12:memory:/a\n4:cpu,cpuacct:/a/b\n1:name=systemd:/x\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        # Version 2: the limit of the group itself, and of the groups around it.
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        (f"0::/{SLICE}\n", {f"{SLICE}/cpu.max": "300000 100000\n"}, 3),
        (f"0::/{SLICE}\n", {f"{SLICE}/cpu.max": "max 100000\n", "user.slice/cpu.max": "50 10"}, 5),
        (f"0::/{SLICE}\n", {f"{SLICE}/cpu.max": "40 10\n", "user.slice/cpu.max": "70 10"}, 4),
        ("0::/\n", {"unified/cpu.max": "600000 100000\n"}, 6),
        # A part of a core more, or less than one core, is a whole one.
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        # Version 1. Docker shows the path outside of the container, and its files at the mount.
        (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "400000\n",
              "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"}, 4),
        (V1, {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, {"cpu/a/cpu.cfs_quota_us": "70000\n", "cpu/a/cpu.cfs_period_us": "10000\n",
              "cpu/a/b/cpu.cfs_quota_us": "-1\n", "cpu/a/b/cpu.cfs_period_us": "10000\n"}, 7),
        # A group that is outside of what the container sees.
        ("0::/../other\n", {"cpu.max": "200000 100000\n", "other/cpu.max": "1 1"}, 2),
    ],
)  # fmt: skip
def test_a_container_s_limit_is_read(
    groups: str, files: dict[str, str], cores: int, machine: Machine
) -> None:
    assert cpu_quota(machine(groups, files)) == cores


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {}),
        ("0::/\n", {"cpu.max": "max 100000\n"}),
        ("", {"cpu.max": "200000 100000\n"}),  # in no group
        ("0::/a\n", {"b/cpu.max": "200000 100000\n"}),  # another group's
        ("3:memory:/a\n", {"cpu/a/cpu.cfs_quota_us": "1", "cpu/a/cpu.cfs_period_us": "1"}),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}),
        (V1, {"cpu/cpu.cfs_quota_us": "100000\n"}),  # of how long?
        ("no colons\n::\n\n0::\0\n", {"cpu.max": "two\n"}),
        ("0::/\n", {"cpu.max": "200000 0\n"}),
        ("0::/\n", {"cpu.max": "-5 100\n"}),
        ("0::/\n", {"cpu.max": ""}),
        ("0::/\n", {"cpu.max": "1 2 3"}),
    ],
)
def test_what_says_nothing_limits_nothing(
    groups: str, files: dict[str, str], machine: Machine
) -> None:
    assert cpu_quota(machine(groups, files)) == NO_LIMIT


def test_no_files_and_files_of_no_text_limit_nothing(tmp_path: Path, machine: Machine) -> None:
    assert cpu_quota(tmp_path / "nowhere") == NO_LIMIT
    root = machine("0::/\n", {"cpu.max": ""})
    (root / "sys/fs/cgroup/cpu.max").write_bytes(b"\xff\xfe2 1")
    assert cpu_quota(root) == NO_LIMIT
    (root / "proc/self/cgroup").write_bytes(b"0::/\xff\n")
    cpu_quota.cache_clear()
    assert cpu_quota(root) == NO_LIMIT


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [(64, 2, 2), (64, NO_LIMIT, 64), (2, 8, 2), (1, 1, 1), (96, 12, 12)],
)
def test_cores_are_those_of_the_mask_and_of_the_container(
    affinity: int, quota: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(parallel, "cpu_quota", lambda: quota)
    assert usable_cores() == expected
    assert default_threads() == min(expected, 8)  # those that draw and score
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: affinity)
    assert usable_cores() == expected
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
