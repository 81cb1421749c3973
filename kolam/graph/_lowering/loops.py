"""Sums that a loop carries, taken out of it: one large product instead of many small ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from kolam.graph._lowering.splice import Replacement, inline_calls, needed, run_equations

_SUMS = ("add", "add_any")
_LINEAR = ("transpose", "reshape")
_MOST_BYTES = 256 << 20  # of what is kept of all steps for one sum


@dataclass(frozen=True, slots=True)
class _Sum:
    """A carry to which every step adds.

    Attributes:
        index: Which of the carries.
        chain: Equations from the product or the sum of a step to what is added, in order.
    """

    index: int
    chain: tuple[Any, ...]


def take_sums_out(equation: Any) -> Replacement | None:
    """Replace what a `scan` adds up in a carry by one product, or one sum, after the loop.

    The gradient of a recurrent weight is such a sum: in every step a product of a few rows is
    added to a matrix as large as the weight. What is multiplied is kept for all steps instead, if
    it is smaller than the matrix. The sum is the same but for the order of its terms.
    """
    params = equation.params
    if equation.effects:
        return None
    body = inline_calls(params["jaxpr"])
    num_consts, num_carry, length = params["num_consts"], params["num_carry"], params["length"]
    jaxpr = body.jaxpr
    sums = _find_sums(jaxpr, num_consts, num_carry, length)
    if not sums or body.consts or length < 2:
        return None
    taken = {item.index for item in sums}
    kept = [index for index in range(num_carry) if index not in taken]
    operands = _operands(sums, jaxpr, num_consts, num_carry)
    wanted = [jaxpr.outvars[index] for index in kept]
    wanted += [*jaxpr.outvars[num_carry:], *operands]
    equations = needed(jaxpr.eqns, wanted)

    def split(*values: Any) -> Sequence[Any]:
        consts, init = values[:num_consts], values[num_consts : num_consts + num_carry]
        xs = values[num_consts + num_carry :]

        def step(carry: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            names = dict(zip(jaxpr.invars[:num_consts], consts, strict=True))
            for index, value in zip(kept, carry, strict=True):
                names[jaxpr.invars[num_consts + index]] = value
            names.update(zip(jaxpr.invars[num_consts + num_carry :], x, strict=True))
            results = run_equations(equations, names, wanted)
            return results[: len(kept)], results[len(kept) :]

        carry, ys = jax.lax.scan(
            step,
            [init[index] for index in kept],
            list(xs),
            length=length,
            reverse=params["reverse"],
            unroll=params["unroll"],
        )
        steps = dict(zip(jaxpr.invars[num_consts + num_carry :], xs, strict=True))
        given = len(ys) - len(operands)
        outputs = zip(jaxpr.outvars[num_carry:], ys[:given], strict=True)
        steps.update((atom, y) for atom, y in outputs if not isinstance(atom, Literal))
        steps.update(zip(operands, ys[given:], strict=True))
        final = dict(zip(kept, carry, strict=True))
        for item in sums:
            final[item.index] = init[item.index] + _total(item, steps)
        return [*(final[index] for index in range(num_carry)), *ys[:given]]

    return split


def _find_sums(jaxpr: Any, num_consts: int, num_carry: int, length: int) -> list[_Sum]:
    uses = Counter(atom for step in jaxpr.eqns for atom in _variables(step.invars))
    uses.update(_variables(jaxpr.outvars))
    makers = {var: equation for equation in jaxpr.eqns for var in equation.outvars}
    varying = {*jaxpr.invars[num_consts:], *makers}
    known = {*jaxpr.invars[num_consts + num_carry :], *_variables(jaxpr.outvars[num_carry:])}
    found = []
    for index in range(num_carry):
        chain = _chain(jaxpr.invars[num_consts + index], jaxpr.outvars[index], makers, uses)
        if chain is None or any(isinstance(atom, Literal) for atom in chain[0].invars):
            continue
        if not varying.issuperset(chain[0].invars):
            continue
        new = {atom: _bytes(atom) for atom in chain[0].invars if atom not in known}
        stored = sum(new.values())
        if stored <= _bytes(jaxpr.outvars[index]) and stored * length <= _MOST_BYTES:
            found.append(_Sum(index, chain))
    return found


def _chain(
    carry: Any, result: Any, makers: dict[Any, Any], uses: Counter[Any]
) -> tuple[Any, ...] | None:
    """Give what makes the term that is added to a carry; `None` if it is more than a sum."""
    if isinstance(result, Literal) or uses[carry] != 1 or uses[result] != 1:
        return None
    last = makers.get(result)
    if last is None or last.primitive.name not in _SUMS or carry not in last.invars:
        return None
    terms = [atom for atom in last.invars if atom is not carry]
    steps: list[Any] = []
    while len(terms) == 1 and not isinstance(terms[0], Literal) and uses[terms[0]] == 1:
        maker = makers.get(terms[0])
        if maker is None:
            return None
        steps.insert(0, maker)
        if maker.primitive.name in ("dot_general", "reduce_sum"):
            return tuple(steps)
        if maker.primitive.name not in _LINEAR:
            return None
        terms = maker.invars
    return None


def _operands(sums: Sequence[_Sum], jaxpr: Any, num_consts: int, num_carry: int) -> list[Any]:
    """Give what must be kept of every step besides what the loop reads and gives anyway."""
    known = {*jaxpr.invars[num_consts + num_carry :], *_variables(jaxpr.outvars[num_carry:])}
    atoms = dict.fromkeys(atom for item in sums for atom in item.chain[0].invars)
    return [atom for atom in atoms if atom not in known]


def _variables(atoms: Sequence[Any]) -> list[Any]:
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def _total(item: _Sum, steps: dict[Any, Any]) -> Any:
    """Sum a term over all steps; `steps` holds the values of every step along a new first axis."""
    first, *others = item.chain
    values = [steps[atom] for atom in first.invars]
    params = first.params
    if first.primitive.name == "reduce_sum":
        total = jnp.sum(values[0], (0, *(axis + 1 for axis in params["axes"])))
        total = total.astype(first.outvars[0].aval.dtype)
    else:
        (left, right), (left_batch, right_batch) = params["dimension_numbers"]
        numbers = (
            ((0, *_next(left)), (0, *_next(right))),
            (_next(left_batch), _next(right_batch)),
        )
        total = jax.lax.dot_general(
            *values,
            numbers,
            precision=params.get("precision"),
            preferred_element_type=params.get("preferred_element_type"),
        )
    names = {first.outvars[0]: total}
    last = item.chain[-1].outvars[0]
    return run_equations(others, names, [last])[0]


def _next(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)


def _bytes(atom: Any) -> int:
    return int(prod(atom.aval.shape)) * int(atom.aval.dtype.itemsize)
