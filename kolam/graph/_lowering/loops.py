"""Sums that a loop makes, taken out of it: one large product instead of many small ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from kolam.graph._lowering.splice import (
    Replacement,
    has_known_sizes,
    inline_calls,
    needed,
    run_equations,
)

_ADDITIONS = ("add", "add_any")
_LEAVES = ("dot_general", "reduce_sum")
# of sums of steps they make the sum over all steps; "pad" with zeros alone
_LINEAR = (
    *_ADDITIONS,
    *("transpose", "reshape", "broadcast_in_dim", "squeeze", "expand_dims", "pad", "neg"),
    *("concatenate", "slice", "split"),
)
_MOST_BYTES = 256 << 20  # of what is kept of all steps


@dataclass(frozen=True, slots=True)
class _Sum:
    """What every step adds to a carry, or gives.

    Attributes:
        index: Which result of the body.
        terms: What is added in a step, variables of the body; one that is given.
        leaves: Products and sums that it is made of.
        others: Linear equations that make it of them, in order.
    """

    index: int
    terms: tuple[Any, ...]
    leaves: tuple[Any, ...]
    others: tuple[Any, ...]

    @property
    def operands(self) -> list[Any]:
        """What the leaves are made of."""
        return list(dict.fromkeys(atom for leaf in self.leaves for atom in leaf.invars))


def take_sums_out(equation: Any) -> Replacement | None:
    """Replace what a `scan` adds up in a carry by one product, or one sum, after the loop.

    The gradient of a recurrent weight is such a sum: in every step a product of a few rows is
    added to a matrix as large as the weight. What is multiplied is kept for all steps instead, if
    that is no more than the loop reads and gives anyway: a loop over small batches, which is there
    to save memory, stays as it is. The sum is the same but for the order of its terms. Sums over
    rows that every step gives are taken after the loop as well.
    """
    params = equation.params
    body = inline_calls(params["jaxpr"])
    num_consts, num_carry, length = params["num_consts"], params["num_carry"], params["length"]
    avals = [var.aval for step in body.jaxpr.eqns for var in step.outvars]
    if not isinstance(length, int) or not has_known_sizes((*body.in_avals, *avals)):
        return None
    if equation.effects or body.consts or length < 2:
        return None
    jaxpr = body.jaxpr
    first_x = num_consts + num_carry
    found = _Finder(jaxpr, num_consts, num_carry, length).sums()
    if not found:
        return None
    taken = {item.index for item in found}
    carried = [index for index in range(num_carry) if index not in taken]
    given = [index for index in range(num_carry, len(jaxpr.outvars)) if index not in taken]
    inputs = set(jaxpr.invars[first_x:])
    wanted = [jaxpr.outvars[index] for index in (*carried, *given)]
    known = inputs | set(_variables(wanted[len(carried) :]))
    extra = [
        atom
        for atom in dict.fromkeys(atom for item in found for atom in item.operands)
        if atom not in known
    ]
    wanted += extra
    equations = needed(jaxpr.eqns, wanted)

    def split(*values: Any) -> Sequence[Any]:
        consts, init, xs = values[:num_consts], values[num_consts:first_x], values[first_x:]

        def step(carry: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            names = dict(zip(jaxpr.invars[:num_consts], consts, strict=True))
            for index, value in zip(carried, carry, strict=True):
                names[jaxpr.invars[num_consts + index]] = value
            names.update(zip(jaxpr.invars[first_x:], x, strict=True))
            results = run_equations(equations, names, wanted)
            return results[: len(carried)], results[len(carried) :]

        carry, ys = jax.lax.scan(
            step,
            [init[index] for index in carried],
            list(xs),
            length=length,
            reverse=params["reverse"],
            unroll=params["unroll"],
        )
        steps = dict(zip(jaxpr.invars[first_x:], xs, strict=True))
        for atom, y in zip(wanted[len(carried) :], ys, strict=True):
            if not isinstance(atom, Literal):
                steps[atom] = y
        results = dict(zip((*carried, *given), (*carry, *ys), strict=False))
        for item in found:
            if item.index < num_carry:
                results[item.index] = init[item.index] + _total(item, steps)
            else:
                results[item.index] = _each(item, steps)
        return [results[index] for index in range(len(jaxpr.outvars))]

    return split


class _Finder:
    """Finds the sums of a loop's body."""

    def __init__(self, jaxpr: Any, num_consts: int, num_carry: int, length: int) -> None:
        self._jaxpr, self._num_consts, self._num_carry = jaxpr, num_consts, num_carry
        self._uses = Counter(atom for step in jaxpr.eqns for atom in _variables(step.invars))
        self._uses.update(_variables(jaxpr.outvars))
        self._makers = {var: step for step in jaxpr.eqns for var in step.outvars}
        self._varying = {*jaxpr.invars[num_consts:], *self._makers}
        self._known = {
            *jaxpr.invars[num_consts + num_carry :],
            *_variables(jaxpr.outvars[num_carry:]),
        }
        self._room = min(sum(map(_bytes, self._known)), _MOST_BYTES // length)

    def sums(self) -> list[_Sum]:
        """Give them, as far as there is room for what must be kept."""
        found = []
        for index, result in enumerate(self._jaxpr.outvars):
            terms = self._added(index, result) if index < self._num_carry else (result,)
            item = self._sum(index, terms) if terms else None
            if item is None or (index >= self._num_carry and not _is_sum_of_rows(item)):
                continue
            new = [atom for atom in item.operands if atom not in self._known]
            if sum(map(_bytes, new)) <= self._room:
                self._room -= sum(map(_bytes, new))
                self._known.update(new)
                found.append(item)
        return found

    def _added(self, index: int, result: Any) -> tuple[Any, ...]:
        """Give what is added to a carry that is nothing but a sum; else nothing."""
        carry = self._jaxpr.invars[self._num_consts + index]
        terms: list[Any] = []
        while result is not carry:
            last = None if isinstance(result, Literal) else self._makers.get(result)
            if last is None or self._uses[result] != 1 or last.primitive.name not in _ADDITIONS:
                return ()
            rest = [atom for atom in last.invars if atom is carry or self._leads_to(atom, carry)]
            if len(rest) != 1:
                return ()
            terms += [atom for atom in last.invars if atom is not rest[0]]
            (result,) = rest
        return tuple(terms) if self._uses[carry] == 1 else ()

    def _leads_to(self, atom: Any, carry: Any) -> bool:
        """Whether `atom` is a sum with the carry in it."""
        maker = None if isinstance(atom, Literal) else self._makers.get(atom)
        if maker is None or maker.primitive.name not in _ADDITIONS:
            return False
        return any(item is carry or self._leads_to(item, carry) for item in maker.invars)

    def _sum(self, index: int, terms: tuple[Any, ...]) -> _Sum | None:
        """Follow terms down to products and sums of one step."""
        if any(isinstance(term, Literal) for term in terms):
            return None
        inside: dict[int, Any] = {}
        waiting, uses, leaves = list(terms), Counter(terms), []
        while waiting:
            maker = self._makers.get(waiting.pop())
            if maker is None:
                return None
            if id(maker) in inside:
                continue
            inside[id(maker)] = maker
            if maker.primitive.name in _LEAVES and not _is_reshape(maker):
                leaves.append(maker)
                continue
            if not self._is_linear(maker):
                return None
            waiting += _variables(maker.invars)
            uses.update(_variables(maker.invars))
        equations = [step for step in self._jaxpr.eqns if id(step) in inside]
        others = tuple(step for step in equations if step not in leaves)
        made = [var for step in equations for var in step.outvars]
        if not leaves or any(self._uses[var] != uses[var] for var in made):
            return None
        operands = [atom for leaf in leaves for atom in leaf.invars]
        if any(isinstance(atom, Literal) or atom not in self._varying for atom in operands):
            return None
        return _Sum(index, terms, tuple(leaves), others)

    def _is_linear(self, maker: Any) -> bool:
        name, operands = maker.primitive.name, maker.invars
        literals = [atom for atom in operands if isinstance(atom, Literal)]
        if name == "broadcast_in_dim" and not literals:
            return bool(maker.outvars[0].aval.size == operands[0].aval.size)
        return (name in _LINEAR or _is_reshape(maker)) and all(not atom.val for atom in literals)


def _is_reshape(maker: Any) -> bool:
    """Whether it sums over axes of one element."""
    size = maker.invars[0].aval.size
    return bool(maker.primitive.name == "reduce_sum" and maker.outvars[0].aval.size == size)


def _is_sum_of_rows(item: _Sum) -> bool:
    return all(leaf.primitive.name == "reduce_sum" for leaf in item.leaves)


def _variables(atoms: Sequence[Any]) -> list[Any]:
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def _total(item: _Sum, steps: dict[Any, Any]) -> Any:
    """Sum a term over all steps; `steps` holds the values of every step along a new first axis."""
    names = {leaf.outvars[0]: _leaf_total(leaf, steps) for leaf in item.leaves}
    first, *more = run_equations(item.others, names, item.terms)
    return sum(more, first)


def _leaf_total(leaf: Any, steps: dict[Any, Any]) -> Any:
    values, params = [steps[atom] for atom in leaf.invars], leaf.params
    if leaf.primitive.name == "reduce_sum":
        total = jnp.sum(values[0], (0, *_next(params["axes"])))
        return total.astype(leaf.outvars[0].aval.dtype)
    (left, right), (left_batch, right_batch) = params["dimension_numbers"]
    numbers = (((0, *_next(left)), (0, *_next(right))), (_next(left_batch), _next(right_batch)))
    return jax.lax.dot_general(
        *values,
        numbers,
        precision=params.get("precision"),
        preferred_element_type=params.get("preferred_element_type"),
    )


def _each(item: _Sum, steps: dict[Any, Any]) -> Any:
    """Give a term of every step."""

    def one(*values: Any) -> Any:
        names = dict(zip(item.operands, values, strict=True))
        return run_equations((*item.leaves, *item.others), names, item.terms)[0]

    return jax.vmap(one)(*(steps[atom] for atom in item.operands))


def _next(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)


def _bytes(atom: Any) -> int:
    return int(prod(atom.aval.shape)) * int(atom.aval.dtype.itemsize)
