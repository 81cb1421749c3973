"""Small networks, trained by Adam in one compiled program.

The table lies on the device; each step gathers its rows. Epochs, steps and the early stop are loops
of the program, so a fit is one call, and sizes come in buckets, so few programs are ever compiled.
Several networks (members) are trained side by side on the same minibatches; they differ in their
first weights, and their mean is as a rule better than each of them.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kolam.core import prepare_jax
from kolam.estimators._buckets import bucket_classes, bucket_columns, bucket_rows, pad

if TYPE_CHECKING:
    import jax

Matrix = NDArray[np.float32]
# inputs, target and weights
Rows = tuple[Matrix, Matrix, Matrix]

# a padded class gets this logit: its probability is exactly 0, and so is its gradient
_NO_CLASS = -1e30
# in standard deviations of the label: errors beyond count linearly. Of 0.25, 0.5, 1 and 1.35 the
# one of the least squared error on the taxi tips of benchmarks/estimators.py
_HUBER = 0.5
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_WARM_UP = 0.05  # share of the steps in which the rate rises to its height
_LONGEST_CURVE = 256
_ORDERS = 32  # shuffles of the rows; the epochs take them in turn


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes:
        hidden: Width of each hidden layer.
        members: Number of networks.
        activation: ``"relu"`` or ``"silu"``.
        loss: ``"softmax"``, ``"squared"`` or ``"huber"``.
        batch: Rows of a step.
        epochs: Passes over the rows at most.
        rate: Height of the learning rate; it warms up, then falls to 0 along a cosine.
        decay: Decoupled weight decay, relative to the learning rate.
        patience: Epochs without a better validation loss after which training ends.
        tolerance: By how much a validation loss must be better to count.
        seed: Chooses first weights and the order of the rows.
    """

    hidden: tuple[int, ...]
    members: int
    activation: str
    loss: str
    batch: int
    epochs: int
    rate: float
    decay: float
    patience: int
    tolerance: float
    seed: int


@dataclass(frozen=True, slots=True)
class Network:
    """A trained ensemble.

    Attributes:
        layers: Per layer its kernels [members, inputs, outputs] and biases [members, outputs].
        loss_curve: Mean training loss of each epoch.
        validation_curve: Validation loss after each epoch; empty without validation rows.
    """

    layers: tuple[tuple[Matrix, Matrix], ...]
    loss_curve: list[float]
    validation_curve: list[float]


def train(table: Rows, validation: Rows | None, recipe: Recipe) -> Network:
    """Train an ensemble of networks; with validation rows, keep the weights that do best on them.

    Args:
        table: Standardised columns, [rows, columns]; one-hot classes [rows, classes], or
            standardised values [rows, 1]; and weight of each row, of mean 1, [rows].
        validation: The same of the validation rows.
        recipe: How to train.
    """
    prepare_jax()
    rows, columns = table[0].shape
    outputs = table[1].shape[1]
    width, depth = bucket_columns(columns), bucket_classes(outputs)
    sizes = (columns, *recipe.hidden, outputs)
    rng = np.random.default_rng(recipe.seed)
    held = validation or (table[0][:1], table[1][:1], table[2][:1])
    curve = _LONGEST_CURVE if recipe.epochs <= _LONGEST_CURVE else bucket_rows(recipe.epochs)
    program = _program(
        recipe.hidden, recipe.members, recipe.activation, recipe.loss, recipe.batch, curve
    )
    layers, losses, scores, epochs = program(
        _first_weights(rng, sizes, (width, *recipe.hidden, depth), recipe.members),
        _orders(rng, rows, bucket_rows(rows) + recipe.batch),
        _padded(table, width, depth),
        _padded(held, width, depth),
        np.where(np.arange(depth) < outputs, 0.0, _NO_CLASS).astype(np.float32),
        {
            "rows": np.int32(rows),
            "epochs": np.int32(recipe.epochs),
            "rate": np.float32(recipe.rate),
            "decay": np.float32(recipe.decay),
            "patience": np.int32(recipe.patience if validation else recipe.epochs),
            "tolerance": np.float32(recipe.tolerance),
            "is_judged": np.bool_(validation is not None),
        },
    )
    taken = int(epochs)
    return Network(
        tuple(
            (np.asarray(kernel)[:, :before, :after], np.asarray(bias)[:, :after])
            for (kernel, bias), before, after in zip(layers, sizes[:-1], sizes[1:], strict=True)
        ),
        np.asarray(losses)[:taken].tolist(),
        np.asarray(scores)[:taken].tolist() if validation else [],
    )


def _first_weights(
    rng: np.random.Generator, sizes: tuple[int, ...], padded: tuple[int, ...], members: int
) -> tuple[tuple[Matrix, Matrix], ...]:
    """Draw first weights (He et al. 2015) at the true sizes; padding leaves them as they are."""
    layers = []
    for index, (before, after) in enumerate(pairwise(sizes)):
        # a small last layer: the first scores are near the mean of the label
        gain = 2.0 if index < len(sizes) - 2 else 0.1
        kernel = rng.standard_normal((members, before, after), np.float32)
        kernel *= np.float32(np.sqrt(gain / before))
        bias = np.zeros((members, after), np.float32)
        if index == 0:  # the bends of the first layer should lie in different places
            bias = rng.uniform(-0.5, 0.5, bias.shape).astype(np.float32)
        layers.append(
            (
                pad(kernel, members, padded[index], padded[index + 1]),
                pad(bias, members, padded[index + 1]),
            )
        )
    return tuple(layers)


def _orders(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.int32]:
    """Draw the orders of the rows in the epochs, used in turn: [orders, size], padded with 0."""
    orders = np.tile(np.arange(rows, dtype=np.int32), (_ORDERS, 1))
    return pad(rng.permuted(orders, axis=1), _ORDERS, size)


def _padded(part: Rows, width: int, depth: int) -> Any:
    inputs, target, weights = part  # Any: a tuple of arrays, as a pytree
    rows = bucket_rows(len(inputs))
    return pad(inputs, rows, width), pad(target, rows, depth), pad(weights, rows)


@cache
def _program(
    hidden: tuple[int, ...], members: int, activation: str, loss: str, batch: int, curve: int
) -> Any:  # Any: a jitted function
    """Give the compiled fit for these choices; sizes and numbers are its arguments."""
    import jax
    import jax.numpy as jnp
    from jax import lax
    from jax.flatten_util import ravel_pytree

    def scores_of(layers: Any, inputs: "jax.Array", offset: "jax.Array") -> "jax.Array":
        """Give logits or values of each member, [rows, members, outputs]."""
        kernel, bias = layers[0]
        # the members share the minibatch, so their first layers are one product
        wide = jnp.swapaxes(kernel, 0, 1).reshape(kernel.shape[1], -1)
        values = jnp.swapaxes((inputs @ wide).reshape(-1, *bias.shape), 0, 1) + bias[:, None]
        for kernel, bias in layers[1:]:
            values = jax.nn.relu(values) if activation == "relu" else jax.nn.silu(values)
            values = values @ kernel + bias[:, None]
        values = jnp.swapaxes(values, 0, 1)
        return values + offset[None, None, :]

    def losses_of(scores: "jax.Array", target: "jax.Array") -> "jax.Array":
        """Give the loss of each row, by each member: [rows, members]."""
        if loss == "softmax":
            return jax.nn.logsumexp(scores, axis=2) - jnp.sum(scores * target[:, None], axis=2)
        error = jnp.abs(scores - target[:, None]).sum(axis=2)
        if loss == "squared":
            return error**2 / 2
        return jnp.where(error <= _HUBER, error**2 / 2, _HUBER * (error - _HUBER / 2))

    def judge(layers: Any, held: Any, offset: "jax.Array") -> "jax.Array":
        """Give the weighted mean loss of the ensemble."""
        inputs, target, weights = held
        scores = scores_of(layers, inputs, offset)
        if loss == "softmax":
            shares = jnp.mean(jax.nn.softmax(scores, axis=2), axis=1, keepdims=True)
            scores = jnp.log(jnp.maximum(shares, 1e-12))
        else:
            scores = jnp.mean(scores, axis=1, keepdims=True)
        return jnp.sum(losses_of(scores, target)[:, 0] * weights) / jnp.sum(weights)

    def fit(
        start: Any,
        orders: "jax.Array",
        table: Any,
        held: Any,
        offset: "jax.Array",
        given: dict[str, "jax.Array"],
    ) -> Any:
        """Give the best weights, both curves and the number of epochs."""
        inputs, target, weights = table
        rows, epochs = given["rows"], given["epochs"]
        steps = (rows + batch - 1) // batch
        total = (steps * epochs).astype(jnp.float32)

        # one long vector of all weights: one update to compile instead of one per array
        start, layers_of = ravel_pytree(start)
        is_kernel, _ = ravel_pytree(
            [(jnp.ones_like(k), jnp.zeros_like(b)) for k, b in layers_of(start)]
        )

        def mean_loss(weights_now: Any, chosen: "jax.Array", is_row: "jax.Array") -> "jax.Array":
            losses = losses_of(
                scores_of(layers_of(weights_now), inputs[chosen], offset), target[chosen]
            )
            each = jnp.sum(losses * (weights[chosen] * is_row)[:, None], axis=0)
            return jnp.sum(each) / jnp.sum(is_row)  # of all members, each with its own gradient

        def step(index: "jax.Array", state: Any) -> Any:
            layers, first, second, order, lost, epoch = state
            chosen = lax.dynamic_slice(order, (index * batch,), (batch,))
            is_row = (index * batch + jnp.arange(batch) < rows).astype(jnp.float32)
            cost, slopes = jax.value_and_grad(mean_loss)(layers, chosen, is_row)
            count = (epoch * steps + index + 1).astype(jnp.float32)
            rate = given["rate"] * _schedule(count / total)
            moved = _adam(layers, slopes, first, second, count, rate, given["decay"] * is_kernel)
            return *moved, order, lost + cost / members, epoch

        def is_going(state: Any) -> "jax.Array":
            return (state["epoch"] < epochs) & (state["waited"] < given["patience"])

        def run_epoch(state: Any) -> Any:
            epoch = state["epoch"]
            order = lax.dynamic_index_in_dim(orders, epoch % len(orders), keepdims=False)
            moments = (state["layers"], state["first"], state["second"])
            layers, first, second, _, lost, _ = lax.fori_loop(
                0, steps, step, (*moments, order, jnp.float32(0), epoch)
            )
            score = judge(layers_of(layers), held, offset)
            is_better = (score < state["least"] - given["tolerance"]) | ~given["is_judged"]
            return {
                "layers": layers,
                "first": first,
                "second": second,
                "best": jax.tree.map(
                    lambda new, old: jnp.where(is_better, new, old), layers, state["best"]
                ),
                "least": jnp.where(is_better, score, state["least"]),
                "waited": jnp.where(is_better, 0, state["waited"] + 1),
                "epoch": epoch + 1,
                "losses": state["losses"].at[epoch].set(lost / steps),
                "scores": state["scores"].at[epoch].set(score),
            }

        zeros = jax.tree.map(jnp.zeros_like, start)
        first_state = {
            "layers": start,
            "first": zeros,
            "second": zeros,
            "best": start,
            "least": jnp.float32(jnp.inf),
            "waited": jnp.int32(0),
            "epoch": jnp.int32(0),
            "losses": jnp.zeros(curve),
            "scores": jnp.zeros(curve),
        }
        end = lax.while_loop(is_going, run_epoch, first_state)
        return layers_of(end["best"]), end["losses"], end["scores"], end["epoch"]

    return jax.jit(fit)


def _schedule(progress: "jax.Array") -> "jax.Array":
    import jax.numpy as jnp

    falling = (1 + jnp.cos(jnp.pi * (progress - _WARM_UP) / (1 - _WARM_UP))) / 2
    return jnp.where(progress < _WARM_UP, progress / _WARM_UP, falling)


def _adam(
    layers: Any,
    slopes: Any,
    first: Any,
    second: Any,
    count: "jax.Array",
    rate: "jax.Array",
    decay: "jax.Array",
) -> tuple[Any, Any, Any]:
    """Take one step of Adam with decoupled decay of the kernels (Loshchilov and Hutter 2019)."""
    # Any: pytrees of arrays
    import jax
    import jax.numpy as jnp

    first = jax.tree.map(lambda old, new: _BETA1 * old + (1 - _BETA1) * new, first, slopes)
    second = jax.tree.map(lambda old, new: _BETA2 * old + (1 - _BETA2) * new**2, second, slopes)

    def moved(weight: "jax.Array", mean: "jax.Array", square: "jax.Array") -> "jax.Array":
        step = mean / (1 - _BETA1**count)
        step = step / (jnp.sqrt(square / (1 - _BETA2**count)) + _EPSILON)
        return weight - rate * (step + decay * weight)

    return jax.tree.map(moved, layers, first, second), first, second
