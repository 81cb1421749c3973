"""Operations that a program keeps by name, beside what they are made of.

StableHLO has no word for `erfc`, an argmax, a stopped gradient or an eigenvalue. JAX writes such
things out as smaller operations, for one platform, and what they were is lost: their derivative,
the best algorithm of another platform. A Graph stores each as a `stablehlo.composite` named
``kolam.NAME``, whose decomposition runs everywhere. This table says which, and what they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax import lax

PREFIX = "kolam."
CUSTOM_JVP, CUSTOM_VJP, LINEAR_SOLVE = "custom_jvp", "custom_vjp", "custom_linear_solve"
# attributes that hold the name of a function of the module
FUNCTIONS = ("derivative", "matvec", "transpose_solve")


@dataclass(frozen=True, slots=True)
class Composite:
    """One operation that is kept by name.

    Attributes:
        evaluate: From arrays and attributes to results.
        keys: Attributes that are stored, by the names of JAX's own parameters.
        is_native: Whether each platform has an algorithm of its own for it, so that a program that
            holds it is better lowered anew where it runs.
    """

    evaluate: Callable[[Sequence[Any], Mapping[str, Any]], Sequence[Any]]
    keys: tuple[str, ...] = ()
    is_native: bool = False


def _plain(fn: Callable[..., Any]) -> Composite:
    return Composite(lambda arrays, _: [fn(*arrays)])


def _cumulative(fn: Callable[..., Any]) -> Composite:
    return Composite(
        lambda arrays, noted: [fn(arrays[0], axis=noted["axis"], reverse=noted["reverse"])],
        ("axis", "reverse"),
    )


def _extreme(fn: Callable[..., Any]) -> Composite:
    return Composite(
        lambda arrays, noted: [fn(arrays[0], noted["axes"][0], np.dtype(noted["index_dtype"]))],
        ("axes", "index_dtype"),
    )


def _sort(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    return lax.sort(
        tuple(arrays),
        dimension=noted["dimension"],
        is_stable=noted["is_stable"],
        num_keys=noted["num_keys"],
    )


def _top_k(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    return list(lax.top_k(arrays[0], noted["k"]))


def _eigh(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    vectors, values = lax.linalg.eigh(
        arrays[0],
        lower=noted["lower"],
        symmetrize_input=False,
        sort_eigenvalues=noted["sort_eigenvalues"],
        subset_by_index=noted.get("subset_by_index"),
    )
    return [vectors, values]


def _qr(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    return list(
        lax.linalg.qr(arrays[0], pivoting=noted["pivoting"], full_matrices=noted["full_matrices"])
    )


def _svd(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    found = lax.linalg.svd(
        arrays[0],
        full_matrices=noted["full_matrices"],
        compute_uv=noted["compute_uv"],
        subset_by_index=noted.get("subset_by_index"),
    )
    if not noted["compute_uv"]:
        return [found]
    left, values, right = found
    return [values, left, right]


def _triangular_solve(arrays: Sequence[Any], noted: Mapping[str, Any]) -> Sequence[Any]:
    return [lax.linalg.triangular_solve(*arrays, **{key: noted[key] for key in _TRIANGULAR})]


_TRIANGULAR = ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal")

COMPOSITES: dict[str, Composite] = {
    "acos": _plain(lax.acos),
    "acosh": _plain(lax.acosh),
    "argmax": _extreme(lax.argmax),
    "argmin": _extreme(lax.argmin),
    "asin": _plain(lax.asin),
    "asinh": _plain(lax.asinh),
    "atan": _plain(lax.atan),
    "atanh": _plain(lax.atanh),
    "bessel_i0e": _plain(lax.bessel_i0e),
    "bessel_i1e": _plain(lax.bessel_i1e),
    "cholesky": Composite(
        lambda arrays, _: [lax.linalg.cholesky(arrays[0], symmetrize_input=False)], (), True
    ),
    "cosh": _plain(lax.cosh),
    "cumlogsumexp": _cumulative(lax.cumlogsumexp),
    "cummax": _cumulative(lax.cummax),
    "cummin": _cumulative(lax.cummin),
    "cumprod": _cumulative(lax.cumprod),
    "cumsum": _cumulative(lax.cumsum),
    "digamma": _plain(lax.digamma),
    "eigh": Composite(_eigh, ("lower", "sort_eigenvalues", "subset_by_index"), True),
    "erf": _plain(lax.erf),
    "erf_inv": _plain(lax.erf_inv),
    "erfc": _plain(lax.erfc),
    "householder_product": Composite(
        lambda arrays, _: [lax.linalg.householder_product(*arrays)], (), True
    ),
    "igamma": _plain(lax.igamma),
    "igammac": _plain(lax.igammac),
    "lgamma": _plain(lax.lgamma),
    "lu": Composite(lambda arrays, _: list(lax.linalg.lu(arrays[0])), (), True),
    "polygamma": _plain(lax.polygamma),
    "qr": Composite(_qr, ("pivoting", "full_matrices"), True),
    "random_gamma_grad": _plain(lax.random_gamma_grad),
    "regularized_incomplete_beta": _plain(lax.betainc),
    "sinh": _plain(lax.sinh),
    "sort": Composite(_sort, ("dimension", "is_stable", "num_keys")),
    "stop_gradient": _plain(lax.stop_gradient),
    "svd": Composite(_svd, ("full_matrices", "compute_uv", "subset_by_index"), True),
    "tan": _plain(lax.tan),
    "top_k": Composite(_top_k, ("k",)),
    "triangular_solve": Composite(_triangular_solve, _TRIANGULAR, True),
    "zeta": _plain(lax.zeta),
}
