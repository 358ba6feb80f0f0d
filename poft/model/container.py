"""The container on disk: a safetensors file whose data section is the canonical stream.

The header is a function of the manifest, so whoever knows the manifest knows where every chunk of such a file lies, and
never has to believe the header of a stranger's file. Any safetensors library reads the result.
"""

from __future__ import annotations

import json

from .manifest import Manifest

_ALIGNMENT = 8  # safetensors pads its header with spaces, so that the data section is aligned


def container_header(manifest: Manifest) -> bytes:
    """Everything that stands before the canonical stream: length (u64 LE) and JSON header."""
    record = {
        t.name: {"data_offsets": [t.offset, t.end], "dtype": t.dtype, "shape": list(t.shape)} for t in manifest.tensors
    }
    header = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    return len(header).to_bytes(8, "little") + header
