"""Built-in lists: names that come with makemore, and the lectures' list from its public address."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from makemore.errors import DataError, SystemFault

NAMES_URL = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
MAX_DOWNLOAD = 64 * 2**20  # bytes


def builtin_names() -> list[str]:
    """Return about 6,800 English given names, sorted, from Faker's lists (MIT); no network."""
    from faker.providers.person.en import Provider

    return sorted(set(Provider.first_names))


def fetch(url: str, sha256: str, target: Path, timeout: float = 30.0) -> Path:
    """Download `url` to `target`; the file is written only if its sha256 is the expected one.

    timeout: seconds without an answer. Raises DataError for other bytes, SystemFault where the
    network or the disk fails.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 (https or a test's own server)
            # One byte more than allowed: a longer answer has another sha256, and is refused.
            body = response.read(MAX_DOWNLOAD + 1)
    except (http.client.HTTPException, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the answer, too, and holds the connection
        reason = str(getattr(error, "reason", error))
        raise SystemFault(
            f"cannot download {url}", reason, "check the network, or download it by hand"
        ) from None
    digest = hashlib.sha256(body).hexdigest()
    if digest != sha256:
        raise DataError(f"what came has sha256 {digest}, not {sha256}", url, "nothing was written")
    # Written beside the target and moved: nobody ever reads half a file.
    temporary = target.with_name(target.name + ".part")
    try:
        temporary.write_bytes(body)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SystemFault(f"cannot write {target}", error.strerror) from None
    return target
