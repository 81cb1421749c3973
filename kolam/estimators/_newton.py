"""Convex linear models, fitted by Newton's method in one compiled loop.

The Newton step is found by conjugate gradients, so the Hessian is never formed and many columns or
classes cost no more memory than the table. Numbers are float64 here: only then does a weight of
two equal a row written twice to the seven digits that scikit-learn asks for.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kolam.core import prepare_jax
from kolam.estimators._buckets import bucket_classes, bucket_columns, bucket_rows, pad

if TYPE_CHECKING:
    import jax

Floats = NDArray[np.float64]
Product = Callable[["jax.Array"], "jax.Array"]

# a padded class gets this logit: its probability is exactly 0, and so is its gradient
_NO_CLASS = -1e30
_MOST_STEPS_INSIDE = 250
_LONGEST_CURVE = 1024  # Newton ends within a few dozen steps
_HUBER = 1.35  # 95 % efficient on normal errors, in units of the label's robust spread


def fit_linear(
    inputs: Floats,
    target: Floats,
    sample_weight: Floats,
    *,
    loss: str,
    l2: float,
    tol: float,
    max_iter: int,
) -> tuple[Floats, Floats, Floats, int, bool]:
    """Minimise the weighted mean loss plus ``l2 / (2 sum(weights)) |coefficients|²``.

    Args:
        inputs: Standardised columns, [rows, columns].
        target: One-hot classes [rows, classes], or values [rows, 1].
        sample_weight: Weight of each row, [rows].
        loss: ``"softmax"``, ``"squared"`` or ``"huber"``.
        l2: Strength of the penalty; the intercept is free.
        tol: Largest entry of the gradient at which the fit ends.
        max_iter: Newton steps at most.

    Returns:
        Coefficients [columns, classes], intercept [classes], what is minimised before each step
        and after the last one (of the first thousand), the steps taken, and whether the gradient
        reached `tol`.
    """
    import jax

    rows, columns = inputs.shape
    outputs = target.shape[1]
    padded = bucket_rows(rows), bucket_columns(columns + 1), bucket_classes(outputs)
    design = np.concatenate([np.ones((rows, 1)), inputs], axis=1)
    is_penalised = np.arange(padded[1]) > 0
    is_free = np.arange(padded[2]) < outputs
    is_output = is_free.copy()
    if loss == "softmax" and outputs == 2:
        is_free[0] = False  # the first class is the reference, as in logistic regression
    prepare_jax()
    with jax.enable_x64(True):
        found, curve, steps, gradient = _program(loss)(
            pad(design, padded[0], padded[1]),
            pad(target, padded[0], padded[2]),
            pad(sample_weight / sample_weight.sum(), padded[0]),
            np.where(is_output, 0.0, _NO_CLASS if loss == "softmax" else 0.0),
            np.outer(np.ones(padded[1]), is_free).astype(np.float64),
            is_penalised * (l2 / sample_weight.sum()),
            np.float64(tol),
            np.int64(max_iter),
        )
        weights = np.asarray(found)[: columns + 1, :outputs]
        losses = np.asarray(curve)[: min(int(steps) + 1, len(curve))]
        is_converged = bool(gradient <= tol)
    return weights[1:], weights[0], losses, int(steps), is_converged


@cache
def _program(loss: str) -> Any:  # Any: a jitted function
    import jax
    import jax.numpy as jnp

    def row_losses(scores: "jax.Array", target: "jax.Array") -> "jax.Array":
        if loss == "softmax":
            top = jnp.max(scores, axis=1, keepdims=True)
            total = jnp.log(jnp.sum(jnp.exp(scores - top), axis=1))
            return total + top[:, 0] - jnp.sum(scores * target, axis=1)
        error = jnp.sum(jnp.abs(scores - target), axis=1)
        if loss == "squared":
            return error**2 / 2
        return jnp.where(error <= _HUBER, error**2 / 2, _HUBER * (error - _HUBER / 2))

    # first and second derivative by the scores, written out: autodiff takes half as long again to
    # compile, and here the probabilities are found once for all products with the Hessian

    def residual(scores: "jax.Array", target: "jax.Array") -> "jax.Array":
        if loss == "softmax":
            return _softmax(scores) - target
        return scores - target if loss == "squared" else jnp.clip(scores - target, -_HUBER, _HUBER)

    def curved(scores: "jax.Array", target: "jax.Array") -> Callable[["jax.Array"], "jax.Array"]:
        if loss == "softmax":
            shares = _softmax(scores)
            return lambda away: shares * (away - jnp.sum(shares * away, axis=1, keepdims=True))
        if loss == "squared":
            return lambda away: away
        is_near = jnp.abs(scores - target) <= _HUBER
        return lambda away: jnp.where(is_near, away, 0.0)

    def fit(
        design: "jax.Array",
        target: "jax.Array",
        row_weight: "jax.Array",
        logit_offset: "jax.Array",
        free: "jax.Array",
        penalty: "jax.Array",
        tol: "jax.Array",
        max_iter: "jax.Array",
    ) -> tuple["jax.Array", "jax.Array", "jax.Array", "jax.Array"]:
        def scores_of(weights: "jax.Array") -> "jax.Array":
            return design @ weights + logit_offset[None, :]

        def pulled(by_row: "jax.Array", weights: "jax.Array") -> "jax.Array":
            return free * (design.T @ (row_weight[:, None] * by_row) + penalty[:, None] * weights)

        def objective(weights: "jax.Array") -> "jax.Array":
            cost = jnp.sum(row_weight * row_losses(scores_of(weights), target))
            return cost + jnp.sum(penalty[:, None] * weights**2) / 2

        def gradient(weights: "jax.Array") -> "jax.Array":
            return pulled(residual(scores_of(weights), target), weights)

        def hessian(weights: "jax.Array") -> Product:
            by_scores = curved(scores_of(weights), target)
            return lambda away: pulled(by_scores(design @ away), away)

        return _newton(objective, gradient, hessian, jnp.zeros_like(free), tol, max_iter)

    return jax.jit(fit)


def _softmax(scores: "jax.Array") -> "jax.Array":
    import jax.numpy as jnp

    powers = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    return powers / jnp.sum(powers, axis=1, keepdims=True)


def _newton(
    objective: Product,
    gradient: Product,
    hessian: Callable[["jax.Array"], Product],
    start: "jax.Array",
    tol: "jax.Array",
    max_iter: "jax.Array",
) -> tuple["jax.Array", "jax.Array", "jax.Array", "jax.Array"]:
    """Minimise by truncated Newton steps with a backtracking line search.

    Args:
        objective: Weights to a number.
        gradient: Weights to the gradient.
        hessian: Weights to a function that multiplies by the Hessian there.
        start: First weights.
        tol: Largest gradient entry to end with.
        max_iter: Steps at most.

    Returns:
        Weights, the objective before each step and after the last one [longest curve], steps
        taken, largest gradient entry.
    """
    import jax.numpy as jnp
    from jax import lax

    def largest(slope: "jax.Array") -> "jax.Array":
        return jnp.max(jnp.abs(slope))

    def is_going(state: Any) -> "jax.Array":
        _, _, slope, steps, is_stuck, _ = state
        return (largest(slope) > tol) & (steps < max_iter) & ~is_stuck

    def step(state: Any) -> Any:
        weights, value, slope, steps, _, curve = state
        direction = _conjugate_gradients(hessian(weights), slope)
        descent = jnp.sum(slope * direction)
        # rounding of the value: near the end a true step may not lower it any more
        slack = 1e-15 * jnp.abs(value)

        def is_too_long(search: Any) -> "jax.Array":
            size, new = search
            return ~(new <= value + 1e-4 * size * descent + slack) & (size > 1e-10)

        def shorter(search: Any) -> Any:
            size = search[0] / 2
            return size, objective(weights + size * direction)

        full = jnp.ones_like(value)
        size, new = lax.while_loop(is_too_long, shorter, (full * 2, jnp.full_like(value, jnp.inf)))
        moved = weights + size * direction
        curve = curve.at[steps + 1].set(new, mode="drop")
        return moved, new, gradient(moved), steps + 1, size <= 1e-10, curve

    value = objective(start)
    curve = jnp.zeros(_LONGEST_CURVE, value.dtype).at[0].set(value)
    none = jnp.zeros_like(max_iter)
    first = (start, value, gradient(start), none, jnp.array(False), curve)
    weights, _, slope, steps, _, curve = lax.while_loop(is_going, step, first)
    return weights, curve, steps, largest(slope)


def _conjugate_gradients(curvature: Product, slope: "jax.Array") -> "jax.Array":
    """Solve ``curvature(direction) = -slope``, as exactly as the size of the slope deserves."""
    import jax.numpy as jnp
    from jax import lax

    size = jnp.sqrt(jnp.sum(slope**2))
    enough = (jnp.minimum(0.1, jnp.sqrt(size)) * size) ** 2

    def is_going(state: Any) -> "jax.Array":
        _, residual, _, steps, is_flat = state
        return (jnp.sum(residual**2) > enough) & (steps < _MOST_STEPS_INSIDE) & ~is_flat

    def step(state: Any) -> Any:
        direction, residual, search, steps, _ = state
        curved = curvature(search)
        energy, squares = jnp.sum(search * curved), jnp.sum(residual**2)
        is_flat = energy <= 1e-14 * jnp.sum(search**2)
        length = jnp.where(is_flat, 0.0, squares / jnp.where(is_flat, 1.0, energy))
        left = residual - length * curved
        follow = left + jnp.sum(left**2) / squares * search
        return direction + length * search, left, follow, steps + 1, is_flat

    first = (jnp.zeros_like(slope), -slope, -slope, jnp.int32(0), jnp.array(False))
    direction, _, _, steps, is_flat = lax.while_loop(is_going, step, first)
    # no curvature at all from the start (a far flat tail of the huber loss): straight down
    return jnp.where(is_flat & (steps == 1), -slope, direction)
