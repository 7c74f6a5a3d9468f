"""What the description cannot say about good requests: a room opens within its life, and lives for as long as it is tried."""

from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st


def text(seconds: int) -> str:
    at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


schemathesis.openapi.format("date-time", st.integers(-86_400, 0).map(text))


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and type(life := body.get("expiresInSeconds")) is int and 1 <= life < 3600:
        return {**body, "expiresInSeconds": 3600}
    return body
