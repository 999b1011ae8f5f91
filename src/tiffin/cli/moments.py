"""--since and --until: what the user typed, as the API's query wants it."""

from __future__ import annotations

import time

from tiffin.errors import InvalidParameter
from tiffin.wire import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.cli.flags import Options


def query(options: Options) -> list[tuple[str, str]]:
    """The parameters for those of the two flags that are given. Numbers go on as they are (0 means no limit)."""
    now = time.time_ns()
    found = []
    for name in ("since", "until"):
        text = options[name]
        if not text:
            continue
        if not text.replace(".", "", 1).isdigit():
            try:
                text = rfc3339.client_timestamp(text, now)
            except ValueError:
                problem = f'failed to parse value as time or duration: "{text}"'
                raise InvalidParameter(f'invalid value for "{name}": {problem}') from None
        found.append((name, text))
    return found
