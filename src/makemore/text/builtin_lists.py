"""Built-in lists: names that come with makemore, and the lectures' list from its public address."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from makemore.errors import DataError, SystemFault
from makemore.text.download import download, without_secrets

NAMES_URL = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
MAX_DOWNLOAD = 64 * 2**20  # bytes


def builtin_names() -> list[str]:
    """Return about 6,800 English given names, sorted, from Faker's lists (MIT); no network."""
    from faker.providers.person.en import Provider

    return sorted(set(Provider.first_names))


def fetch(
    url: str, sha256: str, target: Path, timeout: float = 30.0, seconds: float = 60.0
) -> Path:  # fmt: skip
    """Download `url` to `target`; the file is written only if its sha256 is the expected one.

    timeout: seconds without an answer; seconds: of the whole download
    Raises UsageError for what is no address, DataError for other bytes, SystemFault where the
    network or the disk fails.
    """
    _check_target(target)
    # One byte more than allowed: a longer answer has another sha256, and is refused.
    body = download(url, MAX_DOWNLOAD, timeout, seconds)
    digest = hashlib.sha256(body).hexdigest()
    if digest != sha256:
        raise DataError(
            f"what came has sha256 {digest}, not {sha256}", without_secrets(url),
            "nothing was written",
        )  # fmt: skip
    # Written beside the target and moved: nobody ever reads half a file. The name is new each time
    # and EXCL makes the file: no link or pipe that somebody put there is written through.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritable(target, error.strerror) from None
    finally:
        temporary.unlink(missing_ok=True)  # there is none once it was moved
    return target


def _check_target(target: Path) -> None:
    """Raise SystemFault unless a file can be put there: a new one, or in place of another file.

    A device, as /dev/stdout may be, would be replaced by a file, and so would a link.
    """
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise _unwritable(target, "No such file or directory") from None
        return
    except OSError as error:
        raise _unwritable(target, error.strerror) from None
    if stat.S_ISDIR(mode):
        raise _unwritable(target, "Is a directory")
    if not stat.S_ISREG(mode):
        raise _unwritable(target, "it is a link" if stat.S_ISLNK(mode) else "it is no file")


def _unwritable(target: Path, reason: str | None) -> SystemFault:
    return SystemFault(f"cannot write {target}", reason, "give another -o")
