"""Requests to the archive: bounded, patient with one that stumbles, done with one that is gone."""

from __future__ import annotations

from types import TracebackType
from typing import Final

import aiohttp

from models.base.errors import InputError
from strategies.desk.collect.source import Sleep, retry_after_s

_TRIES: Final = 4
_FIRST_PAUSE_S: Final = 1.0  # doubles
_LONGEST_PAUSE_S: Final = 60.0
_CHUNK: Final = 65536
_PATIENCE: Final = 10.0


class ArchiveSilentError(InputError):
    """The archive gives no answer, or none that ends: it may, later."""


class ArchiveSite:
    """The archive below one address; a context.

    Parameters
    ----------
    url
        What stands before ``/data/..``.
    timeout_s
        Without a byte; a slow line may take `_PATIENCE` times as long for a file.
    """

    def __init__(self, url: str, timeout_s: float, sleep: Sleep) -> None:
        self._url, self._sleep = url.rstrip("/"), sleep
        self._timeout = aiohttp.ClientTimeout(
            total=_PATIENCE * timeout_s, sock_connect=timeout_s, sock_read=timeout_s
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ArchiveSite:
        self._session = aiohttp.ClientSession(
            trust_env=True, timeout=self._timeout, headers={"User-Agent": "breakwater"}
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, largest: int) -> bytes | None:
        """Return a file; None where the archive has none of that name.

        Raises
        ------
        ArchiveSilentError
            If there is no answer after several tries, or it is a refusal.
        InputError
            If it has more than `largest` bytes.
        """
        problem, pause_s = "", _FIRST_PAUSE_S
        for attempt in range(_TRIES):
            if attempt:
                await self._sleep(min(pause_s, _LONGEST_PAUSE_S))
            try:
                status, body, asked_s = await self._answer(path, largest)
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = f"{type(error).__name__}: {error}".splitlines()[0][:160]
                pause_s = _FIRST_PAUSE_S * 2.0**attempt
                continue
            if status == 200:
                return body
            if status == 404:
                return None
            if status != 429 and status < 500:
                raise ArchiveSilentError(f"the archive answers {status}")
            problem = f"it answers {status}"
            pause_s = max(_FIRST_PAUSE_S * 2.0**attempt, asked_s or 0.0)
        raise ArchiveSilentError(f"no answer from the archive: {problem}")

    async def _answer(self, path: str, largest: int) -> tuple[int, bytes, float | None]:
        assert self._session is not None
        async with self._session.get(self._url + path, allow_redirects=False) as response:
            body = bytearray()
            if response.status == 200:
                async for part in response.content.iter_chunked(_CHUNK):
                    body += part
                    if len(body) > largest:
                        raise InputError(f"expected at most {largest} bytes, got more")
            return response.status, bytes(body), retry_after_s(response.headers)
