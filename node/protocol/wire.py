"""What the API shows of the network's messages, as JSON; reading is strict."""

import base64
import binascii
from typing import Any

from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from settlement.errors import InputError
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_from_json, signed_to_json

MAX_TOPIC = 64


def push_to_json(push: FeedPush) -> dict[str, Any]:
    """An entry as HTTP shows it: the signed entry and its body in base64."""
    signed = Signed(message=push.entry, signature=push.signature)
    return {"entry": signed_to_json(signed), "body": base64.b64encode(push.body).decode()}


def push_from_json(value: Any) -> FeedPush:
    """Read an entry; raises InputError."""
    if not isinstance(value, dict) or value.keys() != {"entry", "body"}:
        raise InputError(where="body", problem="expected an object with entry and body")
    signed = signed_from_json(FeedEntry, value["entry"], "entry")
    if not isinstance(value["body"], str) or len(signed.message.topic) > MAX_TOPIC:
        raise InputError(where="body", problem="expected base64 text and a short topic")
    try:
        body = base64.b64decode(value["body"], validate=True)
    except binascii.Error as error:
        raise InputError(where="body", problem="expected base64 text") from error
    return FeedPush(entry=signed.message, signature=signed.signature, body=body)
