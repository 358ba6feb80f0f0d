"""The packed encodings of geneses and proofs: fields without padding, big-endian, lists as long as the head counts.

Writing refuses what has no encoding (`Malformed`). Reading slices: whoever decodes has compared the whole length with
the counts before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from poft.protocol.errors import Code, Refused
from poft.protocol.signatures import SIGNATURE_BYTES


def pack(layout: struct.Struct, *values: int | bytes) -> bytes:
    """The fixed part.

    Raises:
        Refused: Malformed, a value is out of its field's range.
    """
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise Refused(Code.Malformed, "encoding", str(error)) from error


def sized(parts: Sequence[bytes], width: int) -> Sequence[bytes]:
    """The same parts.

    Raises:
        Refused: Malformed, one of them is not `width` bytes.
    """
    for part in parts:
        if len(part) != width:
            raise Refused(Code.Malformed, "encoding", f"{len(part)} bytes where {width} are due")
    return parts


def parts(data: bytes, start: int, count: int, width: int) -> tuple[bytes, ...]:
    """The `count` parts of `width` bytes each that begin at `start`."""
    return tuple(data[at : at + width] for at in range(start, start + count * width, width))


def split_signatures(data: bytes, count: int) -> tuple[bytes, ...]:
    """65 bytes for each, and what is too much or too little with the last."""
    if count == 0:
        return ()
    cut = SIGNATURE_BYTES * (count - 1)
    return (*parts(data, 0, count - 1, SIGNATURE_BYTES), data[cut:])
