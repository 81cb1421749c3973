"""Which names are read later: only these must agree on all paths of staged code."""

import ast
from collections.abc import Sequence

from kolam.autograph._analysis.names import bound_names, read_names, target_names


def live_before(statements: Sequence[ast.stmt], after: set[str]) -> set[str]:
    """Give the names that may be read from here on, if `after` may be read after `statements`."""
    live = after
    for statement in reversed(statements):
        live = _before(statement, live)
    return live


def loop_head(loop: ast.While | ast.For, after: set[str]) -> set[str]:
    """Give the names that may be read when a trip of a loop begins or the loop ends."""
    head = after | (read_names(loop.test) if isinstance(loop, ast.While) else set())
    head = head | set(getattr(loop, "stop_flags", ()))
    for _ in range(2):  # the second round sees what the end of a trip needs at its start
        again = live_before(loop.body, head)
        if isinstance(loop, ast.For):
            again = again - (target_names(loop.target) - after)
        head = head | again
    return head


def _before(statement: ast.stmt, after: set[str]) -> set[str]:
    match statement:
        case ast.If():
            either = live_before(statement.body, after) | live_before(statement.orelse, after)
            return either | read_names(statement.test)
        case ast.While():
            return loop_head(statement, after)
        case ast.For():
            return loop_head(statement, after) | read_names(statement.iter)
        case ast.With():
            return live_before(statement.body, after) | read_names(statement.items)
        case ast.Try() | ast.TryStar():
            return _before_trial(statement, after)
        case ast.Return() | ast.Raise():
            return after | read_names(statement)
        case ast.Assign() | ast.AnnAssign() | ast.FunctionDef() | ast.Import() | ast.ImportFrom():
            return (after - _plainly_bound(statement)) | read_names(statement)
        case _:
            return after | read_names(statement)


def _before_trial(statement: ast.Try | ast.TryStar, after: set[str]) -> set[str]:
    """Give what is live before a `try`; an exception may leave its suite anywhere."""
    at_end = live_before(statement.finalbody, after)
    caught = at_end.union(*(live_before(one.body, at_end) for one in statement.handlers))
    caught |= read_names([one.type for one in statement.handlers if one.type is not None])
    done = live_before(statement.orelse, at_end)
    return live_before(statement.body, done | caught) | caught


def _plainly_bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return set()
    return bound_names(statement)
