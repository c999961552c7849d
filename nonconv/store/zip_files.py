"""ZIP archives written by hand: the bytes of Python's own writer, at a quarter of its time, and little memory per entry.

A sweep writes two archives of arrays and one of files for each cell, and one of all cells, which may be a hundred thousand.
Names, times and attributes are those of `zipfile` and `numpy.savez`, so any tool opens them
(APPNOTE.TXT, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

LIMIT, MOST_ENTRIES = (1 << 31) - 1, (1 << 16) - 1
"""Largest sizes and offsets, and most entries, without the extension ZIP64. `zipfile` has the same."""
LONG, SHORT = 0xFFFFFFFF, 0xFFFF
"""Stand for a number that is in the extension."""
JANUARY_1980 = 0x21
"""The date of every entry: the first that there is."""
UNIX = 3
"""The system that attributes are of."""
UTF_8 = 0x800
"""The flag of names that are not ASCII."""
PLAIN, EXTENDED = 20, 45
"""The versions of the format with which an entry can be read, without ZIP64 and with it."""
FAST = 1
"""How hard to compress. Files of cells are small and alike: higher levels take twice the time and save a tenth."""
LOCAL, CENTRAL = struct.Struct("<4s2B4HL2L2H"), struct.Struct("<4s4B4HL2L5H2L")
END, END64, LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")


class Kind(NamedTuple):
    """How the entries of an archive are written. mode: of the files. extended: always with ZIP64, as numpy has it."""

    mode: int
    extended: bool = False


FILES, ARRAYS = Kind(0o644), Kind(0o600, extended=True)


class ZipWriter:
    """Writes the entries of an archive one after the other, and its table of contents last.

    write: takes the next bytes. Of an entry only its line of the table is kept.
    """

    def __init__(self, write: Callable[[bytes], object], kind: Kind = FILES) -> None:
        self.write, self.kind = write, kind
        self.table, self.entries, self.at = bytearray(), 0, 0

    def add(self, name: str, *content: bytes, compress: bool = False, comment: bytes = b"") -> None:
        """Add an entry, whose content may come in parts. Raises ValueError for one beyond LIMIT."""
        crc, size = 0, sum(map(len, content))
        if size > LIMIT:
            raise ValueError(f"{name} is too large for an archive")
        for part in content:
            crc = zlib.crc32(part, crc)
        parts = (_deflated(content),) if compress else content
        packed = sum(map(len, parts))
        encoded, flags = (name.encode(), UTF_8) if not name.isascii() else (name.encode("ascii"), 0)
        version = EXTENDED if self.kind.extended else PLAIN
        extra = struct.pack("<2H2Q", 1, 16, size, packed) if self.kind.extended else b""
        sizes = (LONG, LONG) if extra else (packed, size)
        method = zlib.DEFLATED if compress else 0
        common = (flags, method, 0, JANUARY_1980, crc)
        begin = b"".join([LOCAL.pack(b"PK\3\4", version, 0, *common, *sizes, len(encoded), len(extra)), encoded, extra, *parts])
        far = self.at > LIMIT
        extra = struct.pack("<2HQ", 1, 8, self.at) if far else b""
        version = EXTENDED if far else version
        rest = (len(encoded), len(extra), len(comment), 0, 0, self.kind.mode << 16, LONG if far else self.at)
        self.table += CENTRAL.pack(b"PK\1\2", version, UNIX, version, 0, *common, packed, size, *rest)
        self.table += encoded + extra + comment
        self.write(begin)
        self.entries, self.at = self.entries + 1, self.at + len(begin)

    def close(self) -> None:
        """Write the table of contents."""
        entries, size, at = self.entries, len(self.table), self.at
        self.write(bytes(self.table))
        if entries > MOST_ENTRIES or at > LIMIT or size > LIMIT:
            self.write(END64.pack(b"PK\6\6", 44, EXTENDED, EXTENDED, 0, 0, entries, entries, size, at))
            self.write(LOCATOR64.pack(b"PK\6\7", 0, at + size, 1))
            entries, size, at = min(entries, SHORT), min(size, LONG), min(at, LONG)
        self.write(END.pack(b"PK\5\6", 0, 0, entries, entries, size, at, 0))


def _deflated(content: tuple[bytes, ...]) -> bytes:
    """Compress content, without a header of its own."""
    compressor = zlib.compressobj(FAST, zlib.DEFLATED, -15)
    return b"".join([*map(compressor.compress, content), compressor.flush()])


class Entry(NamedTuple):
    """A line of a table of contents. content_at: where its content begins in the file."""

    name: str
    content_at: int
    size: int
    comment: bytes


def read_table(file: BinaryIO) -> bytes:
    """Read the table of contents of an archive that `ZipWriter` wrote. Raises ValueError or struct.error for any other."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - END.size - LOCATOR64.size - END64.size, 0))
    tail = file.read()
    mark, *_, length, at, note = END.unpack(tail[-END.size :])
    if mark != b"PK\5\6" or note:
        raise ValueError("no archive, or damaged")
    if tail[-END.size - LOCATOR64.size :].startswith(b"PK\6\7"):
        *_, length, at = END64.unpack(tail[: END64.size])
    if at + length > size:
        raise ValueError("the table of contents is damaged")
    file.seek(at)
    return file.read(length)


def entries(table: bytes) -> Iterator[tuple[int, Entry]]:
    """Yield the entries of a table of contents, each with where it begins there. Raises as `read_table` does."""
    at = 0
    while at < len(table):
        entry, end = entry_at(table, at)
        yield at, entry
        at = end


def entry_at(table: bytes, at: int) -> tuple[Entry, int]:
    """Return the entry that begins here in a table of contents, and where it ends. Raises as `read_table` does."""
    mark, *_, packed, _, named, more, noted, _, _, _, begin = CENTRAL.unpack_from(table, at)
    if mark != b"PK\1\2":
        raise ValueError("the table of contents is damaged")
    first = at + CENTRAL.size
    name, extra, end = table[first : first + named], first + named, first + named + more + noted
    if begin == LONG:
        begin = struct.unpack_from("<2HQ", table, extra)[2]
    # Ours have no extra field before the content.
    return Entry(name.decode(), begin + LOCAL.size + named, packed, table[extra + more : end]), end
