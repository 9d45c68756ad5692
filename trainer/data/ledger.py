"""What of a decoded set is on the disk: a text file of lines, each with its own checksum.

The first line tells how many images there are to be read. Each further line stands for one block, images
that were decoded together: how many were read, how many of them are kept, the CRC-32 of their pixels, their
labels, and the name and fault of each that was skipped. A line is written after its pixels have reached the
disk, so what a kill or a power cut leaves behind is a shorter ledger; a torn last line does not count.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Head(msgspec.Struct, frozen=True):
    #: Images of the source, readable or not.
    images: int
    #: For people who look into the folder.
    source: str


class Block(msgspec.Struct, frozen=True):
    read: int
    kept: int
    crc: int
    labels: list[int] | None
    skipped: list[tuple[str, str]]


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.head: Head | None = None
        self.blocks: list[Block] = []
        lines = list(_whole_lines(path))
        try:
            if lines:
                self.head = msgspec.json.decode(lines[0], type=Head)
                self.blocks = [msgspec.json.decode(line, type=Block) for line in lines[1:]]
        except msgspec.DecodeError:  # another version's
            self.head, self.blocks = None, []

    @property
    def read(self) -> int:
        return sum(block.read for block in self.blocks)

    @property
    def kept(self) -> int:
        return sum(block.kept for block in self.blocks)

    def is_complete(self) -> bool:
        return self.head is not None and self.read == self.head.images

    def begin(self, head: Head, blocks: list[Block]) -> None:
        """Starts the file over, with the blocks that are whole."""
        self.head, self.blocks = head, blocks
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(_line(head))
            file.writelines(map(_line, blocks))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def append(self, block: Block) -> None:
        self.blocks.append(block)
        with self.path.open("ab") as file:
            file.write(_line(block))
            file.flush()
            os.fsync(file.fileno())


def _line(entry: Head | Block) -> bytes:
    text = msgspec.json.encode(entry)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Up to the first that is not as it was written."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.splitlines():
        checksum, _, text = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            return
        yield text
