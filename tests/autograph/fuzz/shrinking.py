"""The smallest program that hypothesis finds with the same defect."""

import contextlib
import time
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
from hypothesis.errors import NoSuchExample

from tests.autograph.fuzz.programs import Program, programs

_KEY = b"program"


class _TimeIsUp(BaseException):
    """Ends a search; not an `Exception`, for those hypothesis takes as found."""


def shrink(
    choices: Sequence[int], is_found: Callable[[Program], bool], *, seconds: float = 60.0
) -> Program | None:
    """Shrink the program of these choices as long as `is_found` holds, or the time is up.

    Returns:
        The smallest program; None if not even the first one is found.
    """
    database = InMemoryExampleDatabase()
    # one choice too many: what replays exactly, hypothesis takes as shrunk before
    database.save(_KEY, choices_to_bytes([*choices, 0]))
    found: list[Program] = []
    known: dict[Program, bool] = {}
    end = time.monotonic() + seconds

    def holds(program: Program) -> bool:
        if found and time.monotonic() > end:
            raise _TimeIsUp
        if program not in known:
            known[program] = is_found(program)
            if known[program]:
                found.append(program)
        return known[program]

    options = settings(
        database=database,
        deadline=None,
        phases=(Phase.reuse, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    with contextlib.suppress(NoSuchExample, _TimeIsUp):
        find(programs(), holds, settings=options, database_key=_KEY)
    return min(found, key=lambda program: len(program.text), default=None)
