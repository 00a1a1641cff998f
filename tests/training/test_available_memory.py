"""available_memory.py: the limit that leaves least, of machine, container or shell, holds."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from makemore.training import available_memory
from makemore.training.available_memory import available_bytes


def written(folder: Path, **numbers: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in numbers.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        (("max", 9000), [9000 - 300]),  # no limit of its own: that of the slice above it
        ((5000, 9000), [5000 - 100, 9000 - 300]),
        ((5000, "max"), [5000 - 100]),
        (("max", "max"), []),
    ],
)
def test_a_container_leaves_what_it_and_those_above_it_leave(
    limits: tuple[object, object], free: list[int], tmp_path: Path
) -> None:
    own, above = limits
    written(tmp_path / "a" / "b", memory__max=own, memory__current=100)
    written(tmp_path / "a", memory__max=above, memory__current=300)
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    assert list(available_memory._of_cgroups(tmp_path, tmp_path / "cgroup")) == free


def test_the_first_version_of_cgroups_names_its_limit_otherwise(tmp_path: Path) -> None:
    written(tmp_path / "memory" / "a", memory__limit_in_bytes=7000, memory__usage_in_bytes=1000)
    (tmp_path / "cgroup").write_text("5:cpu:/a\n4:memory:/a\n")
    assert list(available_memory._of_cgroups(tmp_path, tmp_path / "cgroup")) == [6000]
    assert list(available_memory._of_cgroups(tmp_path, tmp_path / "missing")) == []


def test_the_lowest_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available_memory, "_of_machine", lambda: iter([5000]))
    monkeypatch.setattr(available_memory, "_of_cgroups", lambda: iter([3000, 4000]))
    monkeypatch.setattr(available_memory, "_of_address_space", lambda: iter([]))
    assert available_bytes() == 3000
    monkeypatch.setattr(available_memory, "_of_address_space", lambda: iter([-5]))
    assert available_bytes() == 0
    for name in ("_of_machine", "_of_cgroups", "_of_address_space"):
        monkeypatch.setattr(available_memory, name, lambda: iter([]))
    assert available_bytes() is None


def test_what_ulimit_leaves_is_less_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (2**40, 2**40))
    (left,) = available_memory._of_address_space()
    assert 2**39 < left < 2**40
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (unlimited, unlimited))
    assert list(available_memory._of_address_space()) == []
