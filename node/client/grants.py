"""Grants as files: what ``smartlayer grant sign`` writes and an integration keeps."""

import json
from pathlib import Path

from node.protocol.messages import Grant
from settlement.errors import InputError
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_from_json

LARGEST_GRANT = 16 * 1024


def load_grant(path: Path) -> Signed[Grant]:
    """Read a grant's file; its signature is not checked. Raises InputError."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(where=str(path), problem=str(error.strerror)) from error
    if not 0 < len(source) <= LARGEST_GRANT:
        raise InputError(where=str(path), problem=f"it has not 1 to {LARGEST_GRANT} bytes")
    try:
        value = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise InputError(where=str(path), problem="it is no JSON") from error
    return signed_from_json(Grant, value, str(path))
