"""Leases: files by which processes that share a folder agree which of them does what.

A process takes a lease by creating its file, which only one can, and touches it while it lives. A
lease is stale when its process is gone, which is seen at once on the same machine, or when nobody
has touched it for a minute. Who takes over a stale lease creates the next generation of it:

    4f1c.1.lease      taken by a process that was killed
    4f1c.2.lease      taken over

Nothing is locked, since not every shared folder keeps locks between machines. Two processes may
hold the same lease where one of them stood still for a minute: what is done under a lease has to
bear being done twice.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from makemore.errors import RunError, SystemFault
from makemore.runs.safe_files import on_disk, read_plain
from makemore.runs.shapes import has_shape

BEAT = 5.0  # seconds between two touches of a lease
STALE = 60.0  # seconds without a touch after which a lease may be taken over
LEASE = re.compile(r"(?P<name>[0-9a-z-]+)\.(?P<generation>[1-9][0-9]{0,8})\.lease")
TRIES = 20  # to enter a folder that others remove as they leave it
MOST_BYTES = 4096  # of a lease
HOLDER = {"host": str, "pid": int, "began": str}
PROCESS = "process-"  # begins the name of the lease that each process holds while it is there


class Leases:
    """The leases that this process holds in a folder; a thread touches them until `close`.

    Raises SystemFault if the folder cannot be written, RunError if it is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(8)
        self._held: dict[str, int] = {}  # name -> generation
        self._enter()
        self._ended = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def _enter(self) -> None:
        """Take the lease of this process, in a folder that is made where it is missing."""
        for again in reversed(range(TRIES)):
            try:
                self.folder.mkdir(exist_ok=True)
                if self.folder.is_symlink():
                    raise FileExistsError
                self._create(PROCESS + self.token, 1)
                return
            except FileExistsError:
                if self.folder.is_symlink() or self.folder.exists() and not self.folder.is_dir():
                    to_do = "take it away, or give another -o"
                    raise RunError("this is no directory", str(self.folder), to_do) from None
            except SystemFault:  # the last one to leave has removed the folder in between
                if not again or self.folder.is_dir():
                    raise
            except OSError as error:
                raise on_disk(error, self.folder.parent, self.folder.name) from None

    # -- what this process holds ------------------------------------------------------------------

    def take_first(self, names: Iterable[str]) -> str | None:
        """Take the first lease of these that nobody holds; returns its name, None if all are held.

        Raises SystemFault where the folder was taken away or started over.
        """
        now, there = self._now(), self._generations()
        for name in names:
            last = there.get(name, 0)
            if last and not self._is_stale(self._path(name, last), now):
                continue
            if self._create(name, last + 1):
                return name
        return None

    def release(self, name: str) -> None:
        """Give a lease back, with the older ones that it took over, if this process holds it."""
        # The oldest first: a stale one that is left alone would look as if it could be taken over.
        for generation in range(1, self._held.pop(name, 0) + 1):
            _unlink(self._path(name, generation))

    def others(self) -> bool:
        """Tell whether other processes are here beside this one."""
        return self._others(self._now())

    def leave(self) -> bool:
        """Give all leases back; tells whether no other process is here any more.

        Then files are removed of processes that died here. Of several that leave at the same time
        at least one is told so. Raises SystemFault if the folder has gone.
        """
        now = self._now()
        self.close()
        if self._others(now):
            return False
        for path in sorted(self.folder.iterdir()):
            if LEASE.fullmatch(path.name) and self._is_stale(path, now):
                _unlink(path)
        return True

    def is_here(self, token: str) -> bool:
        """Tell whether a process has its lease here, by its token."""
        return self._path(PROCESS + token, 1).exists()

    def close(self) -> None:
        """Give all leases back, the one of this process last."""
        self._ended.set()
        for name in reversed(list(self._held)):
            self.release(name)

    # -- files ------------------------------------------------------------------------------------

    def _others(self, now: float) -> bool:
        own = PROCESS + self.token
        return any(
            name.startswith(PROCESS) and name != own
            and not self._is_stale(self._path(name, last), now)
            for name, last in self._generations().items()
        )  # fmt: skip

    def _path(self, name: str, generation: int) -> Path:
        return self.folder / f"{name}.{generation}.lease"

    def _create(self, name: str, generation: int) -> bool:
        """Create the file of a lease; False if another process was quicker. Raises SystemFault."""
        path = self._path(name, generation)
        body = json.dumps({**_this_process(), "process": self.token}).encode()
        try:
            # EXCL: of all processes, on this and other machines, one succeeds.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return False
        except OSError as error:
            raise on_disk(error, self.folder, path.name) from None
        try:
            os.write(handle, body)
        except OSError as error:
            _unlink(path)
            raise on_disk(error, self.folder, path.name) from None
        finally:
            os.close(handle)
        self._held[name] = generation
        return True

    def _generations(self) -> dict[str, int]:
        """Find the newest generation of each lease that is in the folder."""
        last: dict[str, int] = {}
        try:
            files = os.listdir(self.folder)
        except OSError as error:
            raise on_disk(error, self.folder, "its leases") from None
        for file in files:
            if found := LEASE.fullmatch(file):
                name, generation = found["name"], int(found["generation"])
                last[name] = max(generation, last.get(name, 0))
        return last

    def _now(self) -> float:
        """Return the time by the clock of the file system, which stamps the leases of all.

        The clocks of machines differ. Raises SystemFault if the folder was started over.
        """
        own = self._path(PROCESS + self.token, 1)
        try:
            os.utime(own)
            return own.stat().st_mtime
        except OSError:
            what = "the work in this folder was started over, or taken away"
            raise SystemFault(what, str(self.folder.parent), "look, and start again") from None

    def _is_stale(self, path: Path, now: float) -> bool:
        """Tell whether a lease may be taken over: its process is gone, or has long been silent."""
        try:
            touched = path.lstat().st_mtime
        except OSError:  # given back meanwhile
            return False
        return now - touched > STALE or _is_gone(_holder(path))

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            for name, generation in list(self._held.items()):
                with contextlib.suppress(OSError):  # given back, or the folder has gone
                    os.utime(self._path(name, generation))


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):  # it may be a folder, or gone; who holds it is told by age
        path.unlink()


# -- who holds a lease ----------------------------------------------------------------------------


def _holder(path: Path) -> dict[str, Any] | None:
    """Read who holds a lease; None for one that is damaged or half written, which only ages."""
    try:
        found = json.loads(read_plain(path, MOST_BYTES))
    except (OSError, RunError, ValueError, RecursionError):
        return None
    return found if has_shape(found, HOLDER) else None


def _is_gone(holder: dict[str, Any] | None) -> bool:
    """Tell whether a lease's process is known to have ended: only one of this machine can be."""
    if holder is None or holder["host"] != _host() or holder["pid"] < 1:
        return False
    try:
        os.kill(holder["pid"], 0)  # sends nothing: it asks whether there is such a process
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it is somebody else's, so it lives
        return False
    # The number may be another process's by now, or that of one whose parent has not noticed.
    return holder["began"] != _began(holder["pid"])


def _this_process() -> dict[str, Any]:
    return {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid())}


@functools.cache
def _host() -> str:
    """Name this machine since it was started, and this container of it."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):  # Linux; elsewhere the name of the machine has to do
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _began(pid: int) -> str:
    """Return when a process began, in the system's own ticks; `ended` for a dead one that is left.

    Empty where the system does not say: then a process with this number counts as the same.
    """
    try:
        # After the name, which stands in brackets and may hold any character: state, parent, ...
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]
