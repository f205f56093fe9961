"""Parameters of a request, in any of the ways the Bot API takes them.

https://core.telegram.org/bots/api#making-requests: in the query, as a form, as JSON or, with
files, as multipart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.telegram.errors import bad_request
from tests.telegram.message import Attachment

_TRUE = ("true", "True", "1", "yes")


class Params:
    """Parameters by name; remembers which were asked for, so that none is ignored unseen."""

    def __init__(self, given: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> None:
        self.given = dict(given)
        self._files = dict(files)
        self._asked: set[str] = set()

    def unasked(self) -> list[str]:
        """Return what was sent and never looked at."""
        return sorted({*self.given, *self._files} - self._asked)

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        self._asked.add(name)
        return self.given.get(name, default)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Return an integer; anything else raises 400."""
        value = self.text(name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise bad_request(f'parameter "{name}" is expected to be an integer') from None

    def flag(self, name: str) -> bool:
        """Return a boolean; false where it is not given."""
        return self.text(name) in _TRUE

    def document(self, name: str) -> Any:
        """Return a JSON-serialised object; None where it is not given."""
        value = self.text(name)
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None

    def file(self, kind: str) -> Attachment:
        """Return the uploaded file; raises 400 without one."""
        self._asked.add(kind)
        if kind not in self._files:
            raise bad_request(f"there is no {kind} in the request")
        name, content = self._files[kind]
        return Attachment(kind=kind, name=name, content=content)


async def read_params(request: web.Request) -> Params:
    """Return the parameters of a request."""
    given, files = dict(request.query), {}
    if request.content_type == "application/json":
        body = await request.json() if request.can_read_body else {}
        given.update((name, _string(value)) for name, value in body.items())
    else:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = (value.filename, value.file.read())
            else:
                given[name] = str(value)
    return Params(given, files)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
