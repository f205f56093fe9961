"""A model from a file answers once in a process of its own before it answers in the bot.

`models.serve.graph` refuses what may not be run; this is about how long it takes and what it
needs. What passes does the same work whatever the candles, so one pass at the largest shapes the
bot will ask for tells. The other process has a limit of memory and of processor time, no
environment, and a deadline; what ends it ends nothing else.

Once for the same bytes, and only for models read from a file: what was trained in this process
has just answered in it.
"""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from models.base.arrays import MODELS_ANEW
from models.base.columns import FEATURE_SIGMA
from models.base.errors import ArtifactError, PackError
from models.base.types import Float32Array, IntArray
from models.serve.predictor import FULL_BATCH, Predictor
from models.serve.saved import predictor_from_bytes

MEMORY: Final = 1 << 30  # bytes beyond the libraries'
CPU_S: Final = 30
DEADLINE_S: Final = 60.0  # on a busy machine, the libraries' own start included
ANSWER_S: Final = 2.0  # processor seconds of one live answer
_ROOT: Final = Path(__file__).resolve().parents[2]
_CALL: Final = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from {__name__} import rehearse; rehearse()"
)
_REMEMBERED: Final = 1024
_REFUSED: Final = 3  # exit status

_rehearsed: set[bytes] = set()  # digests of what has passed


def admitted(data: bytes, where: str = "") -> Predictor:
    """Return the predictor in `data`, of which a rehearsal in another process went well.

    Raises
    ------
    ArtifactError
        If the bytes are no predictor, or it fails, takes too long or needs too much.
    """
    digest = hashlib.sha256(data).digest()
    if digest not in _rehearsed:
        _rehearse_elsewhere(data, where)
        if len(_rehearsed) >= _REMEMBERED:
            _rehearsed.clear()
        _rehearsed.add(digest)
    return predictor_from_bytes(data, where)


def _rehearse_elsewhere(data: bytes, where: str) -> None:
    try:
        with subprocess.Popen(
            [sys.executable, "-I", "-c", _CALL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            cwd="/",
        ) as process:
            try:
                said, _ = process.communicate(data, timeout=DEADLINE_S)
            except BaseException as error:
                process.kill()
                if isinstance(error, subprocess.TimeoutExpired):
                    problem = f"the model does not answer within {DEADLINE_S:g} s"
                    raise ArtifactError(problem, where=where, cure=MODELS_ANEW) from error
                raise
    except OSError as error:
        raise ArtifactError(
            f"the model cannot be rehearsed: {error}", where=where,
            cure="free memory or processes of this machine",
        ) from error  # fmt: skip
    if process.returncode:
        raise ArtifactError(_reason(process.returncode, said), where=where, cure=MODELS_ANEW)


def _reason(status: int, said: bytes) -> str:
    """Return why the other process refused, or how it ended."""
    if status == _REFUSED:
        return str(json.loads(said)["problem"])
    if status == -9 or status == -24:
        return f"the model was stopped: more than {CPU_S} s, or more memory than there is"
    return f"the model ended its rehearsal, status {status}"


def rehearse() -> None:
    """Read a predictor from the standard input and ask it; the other process's whole life."""
    _limit()
    try:
        predictor = predictor_from_bytes(sys.stdin.buffer.read())
        _ask(predictor)
    except MemoryError:
        _refuse(f"the model needs more than {MEMORY >> 20:,} MiB")
    except PackError as error:
        _refuse(error.problem)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why it must not serve
        _refuse(f"the model cannot answer: {type(error).__name__}: {error}")


def _limit() -> None:
    statm = Path("/proc/self/statm")
    if statm.exists():  # Linux; elsewhere the deadline and the processor time have to do
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    for none in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(none, (0, 0))


def _ask(predictor: Predictor) -> None:
    """Have it answer as live and as in a backtest, at the largest shapes either has."""
    names = tuple(predictor.manifest["feature_names"])
    rows, times = _rows(predictor, names)
    few = slice(-predictor.context, None)
    start = time.process_time()
    predictor.latest(rows[few], times[few], names)
    took = time.process_time() - start
    if took > ANSWER_S:
        raise ArtifactError(f"expected an answer within {ANSWER_S:g} s, it took {took:.1f} s")
    predictor.predict(rows, times, names)


def _rows(predictor: Predictor, names: tuple[str, ...]) -> tuple[Float32Array, IntArray]:
    """Return features (N, F) and times of a full batch of sequences."""
    count = FULL_BATCH + predictor.context - 1
    rows = np.random.default_rng(0).normal(size=(count, len(names))).astype(np.float32)
    rows[:, names.index(FEATURE_SIGMA)] = 0.01
    step = int(predictor.manifest["candle_ms"])
    return rows, 1_700_000_000_000 // step * step + step * np.arange(count, dtype=np.int64)


def _refuse(problem: str) -> None:
    sys.stdout.write(json.dumps({"problem": problem[:2000]}))
    sys.stdout.flush()
    sys.exit(_REFUSED)
