"""Whether a kernel may write its result over an array that it reads, and the kernel that does."""

from dataclasses import dataclass, replace

from kolam.lite._loops import Affine, Apply, Expression, For, Let, Load, Statement, Store
from kolam.lite._lower import Lowered


@dataclass(frozen=True, slots=True)
class _Access:
    """Where an element is read or written: the variables of the loops round it, and its index."""

    is_store: bool
    loops: tuple[str, ...]
    index: Affine


def can_share(lowered: Lowered, read: int, written: int) -> bool:
    """Say whether every element is read where, and only where, it is overwritten.

    Args:
        lowered: The kernel.
        read: Number of the array among those that are read.
        written: Number of the array among those that are written.
    """
    parameters = lowered.kernel.parameters
    source, target = parameters[read], parameters[len(lowered.reads) + written]
    if source.dtype != target.dtype:
        return False
    accesses = _accesses(lowered.kernel.body, source.name, target.name)
    # one store, after all loads, in the same loops at the same index
    return (
        accesses is not None
        and len(accesses) > 1
        and [access.is_store for access in accesses] == [False] * (len(accesses) - 1) + [True]
        and len({(access.loops, access.index) for access in accesses}) == 1
    )


def share_buffer(lowered: Lowered, read: int, written: int) -> Lowered:
    """Give the kernel that reads the old content of the array that it writes."""
    parameters = lowered.kernel.parameters
    source, target = parameters[read], parameters[len(lowered.reads) + written]
    body = tuple(_renamed(item, source.name, target.name) for item in lowered.kernel.body)
    kernel = replace(
        lowered.kernel, parameters=parameters[:read] + parameters[read + 1 :], body=body
    )
    return Lowered(kernel, lowered.reads[:read] + lowered.reads[read + 1 :], lowered.writes)


def _accesses(
    body: tuple[Statement, ...], source: str, target: str, loops: tuple[str, ...] = ()
) -> list[_Access] | None:
    """List where `source` is read and `target` written, in order; `None` for other statements."""
    found: list[_Access] = []
    for statement in body:
        match statement:
            case Let(_, value, _):
                found += [_Access(False, loops, index) for index in _loads(value, source)]
            case Store(array, index, value):
                found += [_Access(False, loops, index) for index in _loads(value, source)]
                if array == target:
                    found.append(_Access(True, loops, index))
            case For():
                inner = _accesses(statement.body, source, target, (*loops, statement.variable))
                if inner is None:
                    return None
                found += inner
            case _:
                return None
    return found


def _loads(expression: Expression, source: str) -> set[Affine]:
    if isinstance(expression, Load):
        return {expression.index} if expression.array == source else set()
    if isinstance(expression, Apply):
        return {index for operand in expression.operands for index in _loads(operand, source)}
    return set()


def _renamed(statement: Statement, old: str, new: str) -> Statement:
    match statement:
        case Let() | Store():
            return replace(statement, value=_renamed_in(statement.value, old, new))
        case For():
            return replace(
                statement, body=tuple(_renamed(inner, old, new) for inner in statement.body)
            )
        case _:
            return statement


def _renamed_in(expression: Expression, old: str, new: str) -> Expression:
    if isinstance(expression, Load):
        return replace(expression, array=new) if expression.array == old else expression
    if isinstance(expression, Apply):
        operands = tuple(_renamed_in(operand, old, new) for operand in expression.operands)
        return replace(expression, operands=operands)
    return expression
