"""Archive: a run directory as a zip file, as a page or a person may send it.

A zip may come from anybody. Its members are unpacked by names that makemore writes and by no other,
within bounds of sizes, into a private folder that is gone afterwards; then the run is read and
verified as any other. Nothing in it decides where a file is written.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from makemore.errors import RunError, SystemFault
from makemore.escaping import visible
from makemore.runs.manifest import FIXED, LIMITS, PRIOR
from makemore.runs.safe_files import CHUNK, open_plain

MAGIC = b"PK\x03\x04"
END = b"PK\x05\x06"  # begins the record at a zip's end
LOCATOR = b"PK\x06\x07"  # begins the record before it in a zip64
END_SIZE, LOCATOR_SIZE, MOST_COMMENT = 22, 20, 2**16  # bytes
MOST_BYTES = 2**30  # of the zip, and of all its members
MOST_MEMBERS = 64
MOST_DIRECTORY = 2**15  # bytes of the list of members: what is longer names too many
MOST_RATIO = 200  # bytes unpacked for one packed; text of lines and JSON have some 10
FREE = 2**20  # bytes that may be unpacked at any ratio
UNPACKED = re.compile(r"(weights|state)-\d{1,16}\.(safetensors|json)")
NAMES = {*FIXED, PRIOR, "checkpoint.json", "metrics.jsonl", "samples.txt", "diagnostics.jsonl"}
# Written in a run directory, and needed by nobody who draws from a copy.
LEFT_OUT = {"lock", "looks.jsonl", "given.txt"}
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x41  # flags: encrypted, and strongly
AGAIN = "makemore writes no such zip: zip the run directory again"


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a regular file that begins as a zip does."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
            return False
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):  # what reads it as a run directory says what is wrong
        return False


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the run directory at a path, or that of the zip there, unpacked until the `with` ends.

    Errors inside name the zip, not the folder that it is unpacked to. Raises RunError for a zip
    that holds no run or anything else, SystemFault where it cannot be unpacked.
    """
    if not is_archive(path):
        yield path
        return
    # Only the user who runs this may enter the folder.
    with tempfile.TemporaryDirectory(prefix="makemore-") as above:
        folder = Path(above)
        try:
            unpack(path, folder)
            yield folder
        except RunError as error:
            what, where = error.what, error.where or ""
            to_do = AGAIN if above in (error.to_do or "") else error.to_do
            raise RunError(
                what.replace(above, str(path)), where.replace(above, str(path)) or str(path), to_do
            ) from None


def unpack(path: Path, folder: Path) -> None:
    """Unpack a run into an empty folder. Raises RunError, SystemFault."""
    try:
        with open_plain(Path(os.path.realpath(path)), MOST_BYTES) as (stream, size):
            check_end(stream, size)
            with zipfile.ZipFile(stream) as archive:
                members = members_of(archive, size)
                for name, member in members.items():
                    write_member(archive, member, folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError) as error:
        raise refused(f"the zip is damaged: {visible(str(error), 80)}") from None
    except (NotImplementedError, UnicodeError, RuntimeError):
        raise refused("the zip is of a kind that is not read") from None


def refused(what: str) -> RunError:
    """Make the error for a zip that is not one of ours; `opened` adds which."""
    return RunError(what, None, AGAIN)


def check_end(stream: BinaryIO, size: int) -> None:
    """Refuse a zip whose end tells of more members than a run has, before they are listed.

    zipfile would read a list of millions of them whole.
    """
    tail_size = min(size, END_SIZE + MOST_COMMENT)
    stream.seek(size - tail_size)
    tail = stream.read(tail_size)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise refused("the zip is damaged: it has no end")
    count, directory = struct.unpack("<10xHL6x", tail[at : at + END_SIZE])
    # Before the end of a zip64 its numbers stand in another record: no run is that large.
    is_zip64 = tail[max(0, at - LOCATOR_SIZE) : at].startswith(LOCATOR)
    if count > MOST_MEMBERS or directory > MOST_DIRECTORY or is_zip64:
        raise refused(f"the zip has more than {MOST_MEMBERS} members")
    stream.seek(0)


def members_of(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """List what is unpacked, by its name in the run directory; raises RunError for anything else.

    All may lie in one folder, as `zip -r run.zip runs/names` has them.
    """
    listed = archive.infolist()
    above = [info.filename for info in listed if info.filename.split("/")[-1] == "checkpoint.json"]
    if len(above) != 1:
        raise RunError("the zip holds no run (no checkpoint.json)", None, "give another file")
    prefix, members = above[0].removesuffix("checkpoint.json"), dict[str, zipfile.ZipInfo]()
    if prefix.startswith("/") or ".." in prefix.split("/"):
        raise refused(f"the zip names {visible(above[0], 80)!r}")
    total = 0
    for info in listed:
        name = info.filename.removeprefix(prefix)
        if name in LEFT_OUT or is_folder(info, prefix):
            continue
        if not info.filename.startswith(prefix) or not (name in NAMES or UNPACKED.fullmatch(name)):
            raise refused(f"the zip holds {visible(info.filename, 80)!r}, which no run does")
        check_member(info, name)
        if name in members:
            raise refused(f"the zip holds {name} twice")
        members[name], total = info, total + info.file_size
    if total > min(MOST_BYTES, MOST_RATIO * size + FREE):
        raise refused(f"the zip would be {total:,} bytes unpacked")
    return members


def is_folder(info: zipfile.ZipInfo, prefix: str) -> bool:
    """Tell whether a member only says that there is a folder, one in which a run's files are."""
    return info.is_dir() and not info.file_size and (
        prefix.startswith(info.filename) or info.filename == f"{prefix}split/"
    )  # fmt: skip


def check_member(info: zipfile.ZipInfo, name: str) -> None:
    """Refuse a link, an encrypted member, an unknown method and what is larger than its like."""
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the zip was not made by Unix
    if kind not in (0, stat.S_IFREG):
        raise refused(f"{name} in the zip is no regular file")
    if info.flag_bits & ENCRYPTED:
        raise refused(f"{name} in the zip is encrypted")
    if info.compress_type not in METHODS:
        raise refused(f"{name} in the zip is packed in a way that is not read")
    limit = next((most for end, most in LIMITS.items() if name.endswith(end)), MOST_BYTES)
    if info.file_size > limit:
        raise refused(f"{name} in the zip is larger than {limit} bytes")


def write_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path) -> None:
    """Write one member, never more bytes than it was said to have; its checksum is verified."""
    written = 0
    with archive.open(info) as packed:
        try:
            file.parent.mkdir(exist_ok=True)
            with open(file, "xb") as out:
                # No more than the size that was counted: zipfile stops there, and so do we.
                while written <= info.file_size and (chunk := packed.read(CHUNK)):
                    written += len(chunk)
                    out.write(chunk)
        except OSError as error:
            raise SystemFault(
                "cannot unpack the zip", error.strerror, "make room in the temporary folder"
            ) from None
    if written != info.file_size:
        raise refused(f"the zip is damaged: {file.name} has another size")
