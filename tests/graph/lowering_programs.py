"""Random programs as networks and losses are made of, to be run with the lowering and without it.

A program is a chain of operations; each takes the last array, often one from before, and weights of
its own. It ends in all arrays that nobody read, and may be differentiated, vectorised, looped over.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SIZES = (1, 2, 3, 4, 5, 8, 16, 32, 33, 64, 128, 130)
MOST = 40_000  # elements of an array
MODES = ("values", "values", "grad", "grad", "grad", "vmap", "jvp", "vmap of grad", "scan", "cond")
CONVOLUTIONS = ("convolution", "transposed_convolution", "wrapped")
MAXIMA = ("reduction", "pooling", "moments", "wrapped", "softmax", "attention", "loss", "loop")
CLOSE = 2e-4  # of the largest number of a result: sums of thousands of terms


@dataclass
class Program:
    """Operations by number of what they read; inputs come first.

    Attributes:
        inputs: Arrays that it takes.
        steps: Function, its operands among all values, name.
        mode: What is done with it.
    """

    inputs: list[np.ndarray] = field(default_factory=list)
    steps: list[tuple[Callable, tuple[int, ...], str]] = field(default_factory=list)
    mode: str = "values"

    def run(self, *inputs):
        """Give the values that nobody reads."""
        values, read = dict(enumerate(inputs)), set()
        for number, (fn, operands, _) in enumerate(self.steps):
            values[-1 - number] = fn(*(values[index] for index in operands))
            read.update(operands)
        return [value for index, value in values.items() if index not in read and index < 0]

    def has(self, names):
        """Whether one of its operations has one of these names."""
        return any(name in names for *_, name in self.steps)

    def function(self):
        """Give the function of the inputs that the mode makes."""
        numbers = [i for i, one in enumerate(self.inputs) if one.dtype == np.float32]

        def loss(*inputs):
            total = 0.0
            for value in self.run(*inputs):
                if jnp.issubdtype(value.dtype, jnp.floating):
                    # a barrier: XLA adds up wrongly in some sums of sums (docs/design/lowering.md)
                    total += lax.optimization_barrier(jnp.mean(jnp.sin(value.astype("float32"))))
            return total

        grad = jax.value_and_grad(loss, tuple(numbers)) if numbers else loss
        match self.mode:
            case "grad":
                return grad
            case "vmap":
                return lambda x, *rest: jax.vmap(self.run, (0, *(None for _ in rest)))(
                    jnp.stack([x, x[::-1]]), *rest
                )
            case "vmap of grad":
                return lambda x, *rest: jax.vmap(grad, (0, *(None for _ in rest)))(
                    jnp.stack([x, x * 0.5]), *rest
                )
            case "jvp":
                return lambda *inputs: jax.jvp(
                    lambda *some: self.run(*_put(inputs, numbers, some)),
                    [inputs[i] for i in numbers],
                    [jnp.cos(inputs[i]) for i in numbers],
                )
            case "scan":
                return lambda x, *rest: lax.scan(
                    lambda total, row: (total + loss(row, *rest), self.run(row, *rest)),
                    0.0,
                    jnp.stack([x, x * 0.5, -x]),
                )
            case "cond":
                return lambda x, *rest: lax.cond(
                    x.sum() > 0, self.run, lambda *inputs: self.run(-inputs[0], *rest), x, *rest
                )
        return self.run

    def __str__(self):
        shapes = [f"{one.dtype}{one.shape}" for one in self.inputs]
        return f"{self.mode} of {[name for *_, name in self.steps]} on {shapes}"


def random_program(seed):
    """Make a program of some operations."""
    maker = _Maker(np.random.default_rng(seed))
    return maker.program()


def difference(program, lowered, *, compiled=jax.jit):
    """Tell how a program differs once it is lowered; nothing if it does not.

    Rounding may grow without bounds in a random program. What differs counts only if it is more
    than what comes from inputs that are a little different.

    Args:
        program: The program.
        lowered: What makes another function of a function.
        compiled: `jax.jit`.
    """
    fn, plain = program.function(), compiled(program.function())
    try:
        expected = plain(*program.inputs)
    except Exception as error:
        try:
            compiled(lowered(fn))(*program.inputs)
        except type(error):
            return None
        return f"no {type(error).__name__}"
    found = compiled(lowered(fn))(*program.inputs)
    if jax.tree.structure(found) != jax.tree.structure(expected):
        return f"{jax.tree.structure(found)} instead of {jax.tree.structure(expected)}"
    noise = np.random.default_rng(0)
    near = [
        plain(
            *(
                one * (1 + noise.uniform(-4e-7, 4e-7, one.shape)).astype("float32")
                if one.dtype == np.float32
                else one
                for one in program.inputs
            )
        )
        for _ in range(3)
    ]
    for number, (a, b, *others) in enumerate(
        zip(*map(jax.tree.leaves, (found, expected, *near)), strict=True)
    ):
        if (a.shape, a.dtype, a.weak_type) != (b.shape, b.dtype, b.weak_type):
            return f"result {number}: {a.aval} instead of {b.aval}"
        a, b, *others = map(np.asarray, (a, b, *others))
        if a.dtype.kind == "f" and program.has(MAXIMA):
            a = np.where(np.isnan(a), b, a)  # XLA loses NaN in some of its maxima
        if a.dtype.kind == "f" and program.has(CONVOLUTIONS):
            a = np.where(np.isnan(b), b, a)  # NaN times a zero of padding or dilation, or nothing
        text = _apart(a, b, others)
        if text:
            return f"result {number}: {text}"
    return None


def _apart(a, b, others):
    if a.dtype.kind in "biu":
        same = (a == b) | np.any([other != b for other in others], axis=0)
        return "" if same.all() else f"{(~same).sum()} of {a.size} differ"
    a, b = a.astype("float64"), b.astype("float64")
    others = [other.astype("float64") for other in others]
    with np.errstate(all="ignore"):
        steady = np.all([np.isfinite(other) == np.isfinite(b) for other in others], axis=0)
        wrong = steady & (np.isnan(a) != np.isnan(b))
        wrong |= steady & ~np.isfinite(b) & ~np.isnan(b) & (a != b)
        if wrong.any():
            return f"{a[wrong][:3]} instead of {b[wrong][:3]} ({wrong.sum()} of {a.size})"
        finite = np.isfinite(b) & np.isfinite(a)
        if not finite.any():
            return ""
        wide = np.max(
            [np.abs(other - b)[finite & np.isfinite(other)].max(initial=0) for other in others]
        )
        size = np.abs(b[finite]).max()
        error = np.abs(a - b)[finite].max()
    if error <= CLOSE * size + 30 * wide + 3e-6:
        return ""
    return f"apart by {error:.2g} of {size:.2g}, where inputs move it by {wide:.2g}"


def _put(values, numbers, some):
    values = list(values)
    for number, value in zip(numbers, some, strict=True):
        values[number] = value
    return values


class _Maker:
    """Makes one program."""

    def __init__(self, rng):
        self.rng, self.made, self.shapes = rng, Program(), {}

    def program(self):
        shape = self._first_shape()
        self._input(self._numbers(shape))
        self.last = 0
        for _ in range(self.rng.integers(1, 8)):
            for _ in range(20):  # until one fits
                if self._add(OPERATIONS[self.rng.integers(len(OPERATIONS))]):
                    break
        self.made.mode = str(self.rng.choice(MODES))
        return self.made

    # ---- what operations ask for ----

    def weight(self, shape):
        """Add an input like a weight; give its number."""
        if prod(shape) > MOST:
            raise MemoryError
        terms = max(1, prod(shape[:-1]) if len(shape) > 1 else 1)
        return self._input(self._numbers(shape, 1 / np.sqrt(terms)))

    def integers(self, shape, most):
        return self._input(self.rng.integers(0, most, shape, dtype=np.int32))

    def one_of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def upto(self, most):
        return int(self.rng.integers(1, most + 1))

    def chance(self, share):
        return bool(self.rng.random() < share)

    def axes(self, ndim, most=3):
        count = int(self.rng.integers(1, min(ndim, most) + 1))
        return tuple(int(i) for i in self.rng.permutation(ndim)[:count])

    def like(self, shape):
        """Give the number of an earlier value that broadcasts to `shape`, or of a new weight."""
        fits = [
            number
            for number, (other, dtype) in self.shapes.items()
            if dtype == np.float32 and number != self.last and _broadcasts(other, shape)
        ]
        if fits and self.chance(0.6):
            return fits[self.rng.integers(len(fits))]
        kept = [size if self.chance(0.6) else 1 for size in shape]
        return self.weight(tuple(kept))

    # ---- building ----

    def _add(self, operation):
        shape, dtype = self.shapes[self.last]
        count = len(self.made.inputs)
        try:
            found = operation(self, shape) if shape and dtype == np.float32 else None
        except MemoryError:  # a weight that is too large
            found = None
        if found is not None:
            fn, *others = found
            operands = (self.last, *others)
            try:
                given = [jax.ShapeDtypeStruct(*self.shapes[index]) for index in operands]
                result = jax.eval_shape(fn, *given)
            except (TypeError, ValueError, NotImplementedError):
                result = None
            if result is not None and 0 < prod(result.shape) <= MOST:
                self.made.steps.append((fn, operands, operation.__name__))
                self.last = -len(self.made.steps)
                self.shapes[self.last] = (result.shape, result.dtype)
                return True
        for number in range(count, len(self.made.inputs)):
            del self.shapes[number]
        del self.made.inputs[count:]
        return False

    def _input(self, values):
        self.made.inputs.append(values)
        number = len(self.made.inputs) - 1
        self.shapes[number] = (values.shape, values.dtype)
        return number

    def _first_shape(self):
        while True:
            ndim = int(self.rng.integers(1, 6))
            shape = tuple(int(self.rng.choice(SIZES)) for _ in range(ndim))
            if prod(shape) <= MOST and (prod(shape) >= 2048 or self.chance(0.1)):
                return shape

    def _numbers(self, shape, scale=1.0):
        values = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        if self.chance(0.1):  # ties, zeros
            values = np.round(values)
        if self.chance(0.06) and values.size:
            odd = self.one_of(np.nan, np.inf, -np.inf, 1e30, 1e-40, -0.0, 3e38)
            values.reshape(-1)[self.rng.integers(0, values.size, 1 + values.size // 50)] = odd
        return values


def _broadcasts(shape, to):
    return len(shape) == len(to) and all(a in (1, b) for a, b in zip(shape, to, strict=True))


# ---- operations: from a maker and the shape of the last value to a function and what else it reads

UNARY = {
    "exp": lambda x: jnp.exp(jnp.minimum(x, 20)),
    "wild exp": jnp.exp,
    "expm1": lambda x: jnp.expm1(jnp.minimum(x, 20)),
    "tanh": jnp.tanh,
    "erf": lax.erf,
    "erfc": lax.erfc,
    "gelu": jax.nn.gelu,
    "exact gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "mish": jax.nn.mish,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "leaky": jax.nn.leaky_relu,
    "hard": jax.nn.hard_swish,
    "sigmoid": jax.nn.sigmoid,
    "log sigmoid": jax.nn.log_sigmoid,
    "log1p": lambda x: jnp.log1p(jnp.abs(x)),
    "log": lambda x: jnp.log(jnp.abs(x) + 1e-3),
    "wild log": jnp.log,
    "sqrt": lambda x: jnp.sqrt(jnp.abs(x) + 1e-3),
    "rsqrt": lambda x: lax.rsqrt(jnp.abs(x) + 1e-2),
    "square": jnp.square,
    "cube": lambda x: x**3,
    "inverse square": lambda x: (jnp.abs(x) + 0.1) ** -2,
    "abs": jnp.abs,
    "neg": lambda x: -x,
    "sign": lambda x: jnp.sign(x) * x,
    "floor": lambda x: x - 1e-4 * jnp.floor(x),  # steps are small: rounding may take one
    "clip": lambda x: jnp.clip(x, -0.7, 0.9),
    "nan to num": jnp.nan_to_num,
    "where finite": lambda x: jnp.where(jnp.isfinite(x), x, 0.0),
    "sin": jnp.sin,
    "bfloat16": lambda x: x + x.astype("bfloat16").astype("float32") * 1e-3,
    "float16": lambda x: x + (x.astype("float16") * 2).astype("float32") * 1e-3,
    "int": lambda x: x + jnp.nan_to_num(x).astype("int32").astype("float32") * 1e-4,
    "mask": lambda x: jnp.where((x > 0) & ~(x > 1) | (x < -1), x, 0.1),
    "stop": lambda x: x - lax.stop_gradient(x * 0.5),
    "sinc": jnp.sinc,
    "power": lambda x: jnp.power(jnp.abs(x) + 0.1, 1.7),
}
BINARY = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": lambda x, y: x / (jnp.abs(y) + 0.1),
    "wild div": jnp.divide,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "where": lambda x, y: jnp.where(y > 0.3, x, y),
    "logaddexp": jnp.logaddexp,
    "huber": lambda x, y: jnp.where(jnp.abs(x - y) < 1, 0.5 * (x - y) ** 2, jnp.abs(x - y) - 0.5),
    "atan2": lambda x, y: jnp.arctan2(x, y + 1.5),
}
REDUCTIONS = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "max": jnp.max,
    "min": jnp.min,
    "var": jnp.var,
    "std": lambda x, **k: jnp.sqrt(jnp.var(x, **k) + 1e-3),
    "logsumexp": jax.nn.logsumexp,
    "norm": lambda x, **k: jnp.sqrt(jnp.sum(x * x, **k) + 1e-3),
    "any": lambda x, **k: jnp.any(x > 1, **k).astype("float32"),
}


def unary(maker, shape):
    fns = [maker.one_of(*UNARY.values()) for _ in range(maker.upto(3))]

    def run(x):
        for fn in fns:
            x = fn(x)
        return x

    return (run,)


def binary(maker, shape):
    fn = maker.one_of(*BINARY.values())
    return fn, maker.like(shape)


def reduction(maker, shape):
    fn = maker.one_of(*REDUCTIONS.values())
    axes = maker.axes(len(shape)) if maker.chance(0.4) else (len(shape) - 1,)
    keeps = maker.chance(0.5) and len(axes) < len(shape)
    if maker.chance(0.4):  # back to all elements
        return (lambda x: x - fn(x, axis=axes, keepdims=True),)
    return (lambda x: fn(x, axis=axes, keepdims=keeps),)


def column_sum(maker, shape):
    axes = tuple(range(maker.upto(len(shape)) - 1))
    return (lambda x: x + jnp.sum(x * 0.1, axis=axes, keepdims=True),)


def softmax(maker, shape):
    axis = maker.one_of(-1, -1, -1, *range(len(shape)))
    fn = maker.one_of(jax.nn.softmax, jax.nn.log_softmax)
    return (partial(fn, axis=axis),)


def normalisation(maker, shape):
    kind = maker.one_of("layer", "rms", "batch", "instance", "group")
    if kind == "group" and shape[-1] % 4 == 0 and len(shape) > 1:

        def group(x, scale):
            parts = x.reshape(x.shape[0], -1, 4, x.shape[-1] // 4)
            mean = parts.mean((1, 3), keepdims=True)
            var = parts.var((1, 3), keepdims=True)
            return ((parts - mean) / jnp.sqrt(var + 1e-3)).reshape(x.shape) * scale

        return group, maker.weight(
            (shape[-1],) if maker.chance(0.5) else (1,) * (len(shape) - 1) + (shape[-1],)
        )
    axes = {"layer": (-1,), "rms": (-1,), "batch": tuple(range(len(shape) - 1))}.get(
        kind, tuple(range(1, len(shape) - 1))
    )
    if not axes:
        return None

    def run(x, scale, offset):
        mean = 0.0 if kind == "rms" else x.mean(axes, keepdims=True)
        var = ((x - mean) ** 2).mean(axes, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-3) * scale + offset

    one = (1,) * (len(shape) - 1) + (shape[-1],)
    return run, maker.weight(one), maker.weight(one)


def change_of_shape(maker, shape):
    ndim = len(shape)
    kind = maker.one_of(
        "transpose",
        "reshape",
        "flat",
        "flip",
        "roll",
        "slice",
        "pad",
        "concat",
        "spread",
        "split",
        "ones",
        "take",
        "sort",
        "cumsum",
    )
    axis = int(maker.rng.integers(ndim))
    size = shape[axis]
    if kind == "transpose":
        order = tuple(int(i) for i in maker.rng.permutation(ndim))
        return (lambda x: x.transpose(order),)
    if kind == "reshape":
        at = int(maker.rng.integers(ndim))
        parts = [n for n in (2, 3, 4, 8, 16) if shape[at] % n == 0]
        if not parts:
            return None
        n = maker.one_of(*parts)
        return (lambda x: x.reshape(*shape[:at], n, shape[at] // n, *shape[at + 1 :]),)
    if kind == "flat":
        at = maker.upto(ndim) - 1
        return (lambda x: x.reshape(*shape[:at], -1),)
    if kind == "ones":
        return (lambda x: jnp.expand_dims(x, axis),)
    if kind == "flip":
        return (lambda x: jnp.flip(x, axis),)
    if kind == "roll":
        return (lambda x: jnp.roll(x, 1, axis) + x,)
    if kind == "slice" and size > 1:
        step = maker.upto(2)
        return (lambda x: lax.slice_in_dim(x, 0, size - size % 2 or size, step, axis),)
    if kind == "pad":
        config, value = [(0, 0, 0)] * ndim, maker.one_of(0.0, 1.5)
        config[axis] = (maker.upto(3) - 2, maker.upto(2), maker.upto(2) - 1)
        return (lambda x: lax.pad(x, jnp.float32(value), config),)
    if kind == "concat":
        return lambda x, y: jnp.concatenate([x, y], axis), maker.weight(shape)
    if kind == "spread":
        return (lambda x: jnp.broadcast_to(x[..., None], (*shape, 4)) * 0.5,)
    if kind == "split" and size % 2 == 0:
        return (lambda x: jnp.multiply(*jnp.split(x, 2, axis)),)
    if kind == "take":
        return lambda x, i: jnp.take(x, i, axis), maker.integers((size,), size)
    if kind == "sort":
        return (lambda x: jnp.sort(x, axis),)
    if kind == "cumsum":
        return (lambda x: jnp.cumsum(x, axis) * 0.3,)
    return None


def dense(maker, shape):
    units = maker.one_of(*SIZES)
    if maker.chance(0.5):
        return jnp.matmul, maker.weight((shape[-1], units))
    return (
        lambda x, w, b: x @ w + b.reshape((1,) * (x.ndim - 1) + b.shape),
        maker.weight((shape[-1], units)),
        maker.weight((units,)),
    )


def product(maker, shape):
    """A product over any axes of both operands."""
    ndim = len(shape)
    kinds = [maker.one_of("batch", "terms", "free") for _ in shape]
    own = [maker.one_of(1, 2, 8, 16) for _ in range(maker.upto(2))]
    names = "abcdefgh"[:ndim]
    extra = "xyz"[: len(own)]
    shared = [c for c, kind in zip(names, kinds, strict=True) if kind != "free"]
    right = [*shared, *extra]
    right = [right[i] for i in maker.rng.permutation(len(right))]
    out = [c for c, kind in zip(names, kinds, strict=True) if kind != "terms"] + [*extra]
    out = [out[i] for i in maker.rng.permutation(len(out))]
    sizes = dict(zip(names, shape, strict=True)) | dict(zip(extra, own, strict=True))
    if prod(sizes.values()) > 4_000_000 or prod(sizes[c] for c in right) > MOST:
        return None
    text = f"{names},{''.join(right)}->{''.join(out)}"
    return partial(jnp.einsum, text), maker.weight(tuple(sizes[c] for c in right))


def self_product(maker, shape):
    if len(shape) < 2 or shape[-2] > 64:
        return None
    return (lambda x: jnp.einsum("...ij,...kj->...ik", x, jnp.tanh(x)) / shape[-1],)


def attention(maker, shape):
    if len(shape) < 2 or shape[-1] % 4 or shape[-2] > 130:
        return None
    heads, is_causal, has_empty = maker.one_of(1, 2, 4), maker.chance(0.5), maker.chance(0.2)

    def run(x, w):
        x = x.reshape(-1, *x.shape[-2:])
        batch, steps, width = x.shape
        q, k, v = jnp.split(x @ w, 3, -1)
        q, k, v = (
            one.reshape(batch, steps, heads, width // heads).transpose(0, 2, 1, 3)
            for one in (q, k, v)
        )
        scores = q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(width // heads))
        if is_causal:
            mask = jnp.tril(jnp.ones((steps, steps), bool))[None, None]
            scores = jnp.where(mask, scores, -jnp.inf)
        if has_empty:
            scores = scores + jnp.where(jnp.arange(steps) == 0, -jnp.inf, 0.0).reshape(1, 1, -1, 1)
        y = jax.nn.softmax(scores, -1) @ v
        return y.transpose(0, 2, 1, 3).reshape(batch, steps, width)

    return run, maker.weight((shape[-1], 3 * shape[-1]))


def convolution(maker, shape):
    if not 3 <= len(shape) <= 5:
        return None
    spatial = len(shape) - 2
    order = [int(i) for i in maker.rng.permutation(len(shape))]
    if maker.chance(0.6):
        order = [0, len(shape) - 1, *range(1, len(shape) - 1)]
    features = shape[order[1]]
    groups = maker.one_of(1, 1, 1, features, *(g for g in (2, 3, 4) if features % g == 0))
    batch_groups = maker.one_of(1, 1, 1, 2) if groups == 1 and shape[order[0]] % 2 == 0 else 1
    outputs = groups * batch_groups * maker.one_of(1, 2, 3, 8, 16)
    window = [maker.upto(5) for _ in range(spatial)]
    kernel_order = [int(i) for i in maker.rng.permutation(len(shape))]
    out_order = order if maker.chance(0.5) else [int(i) for i in maker.rng.permutation(len(shape))]
    kernel = [0] * len(shape)
    for axis, size in zip(kernel_order, (outputs, features // groups, *window), strict=True):
        kernel[axis] = size
    if prod(kernel) > MOST or prod(shape) * prod(window) * outputs > 30_000_000:
        return None
    padding = maker.one_of("SAME", "VALID", "any")
    if padding == "any":
        padding = [(maker.upto(5) - 3, maker.upto(5) - 3) for _ in window]
    dilated = padding not in ("SAME", "VALID") and maker.chance(0.5)
    options = {
        "window_strides": [maker.upto(3) for _ in window],
        "padding": padding,
        "lhs_dilation": [maker.upto(3) for _ in window] if dilated else None,
        "rhs_dilation": [maker.upto(3) for _ in window] if maker.chance(0.3) else None,
        "feature_group_count": groups,
        "batch_group_count": batch_groups,
        "dimension_numbers": lax.ConvDimensionNumbers(
            tuple(order), tuple(kernel_order), tuple(out_order)
        ),
    }
    return partial(lax.conv_general_dilated, **options), maker.weight(tuple(kernel))


def transposed_convolution(maker, shape):
    if not 3 <= len(shape) <= 5 or prod(shape) > 10_000:
        return None
    spatial = len(shape) - 2
    letters = "DHW"[-spatial:]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    strides, padding = [maker.upto(2) for _ in letters], maker.one_of("SAME", "VALID")
    kernel = (*(maker.upto(3) for _ in letters), shape[-1], maker.one_of(1, 4, 16))
    if prod(kernel) > MOST:
        return None
    return lambda x, w: lax.conv_transpose(
        x, w, strides, padding, dimension_numbers=numbers
    ), maker.weight(kernel)


def pooling(maker, shape):
    if not 2 <= len(shape) <= 5:
        return None
    kind = maker.one_of("max", "max", "sum", "average", "min")
    free = set(maker.axes(len(shape), 2)) if maker.chance(0.3) else {0, len(shape) - 1}
    window = [1 if i in free else maker.upto(min(4, n)) for i, n in enumerate(shape)]
    strides = [1 if i in free else maker.upto(3) for i in range(len(shape))]
    dilation = [1 if i in free or kind == "average" else maker.upto(2) for i in range(len(shape))]
    if maker.chance(0.6):
        dilation = [1] * len(shape)
    base = [1] * len(shape)
    if kind == "sum" and maker.chance(0.3):
        base = [1 if i in free else maker.upto(2) for i in range(len(shape))]
    padding = maker.one_of("SAME", "VALID", "any")
    if padding == "any":
        padding = [
            (0, 0) if i in free else (maker.upto(3) - 1, maker.upto(3) - 1)
            for i in range(len(shape))
        ]
    start, join = {
        "max": (-jnp.inf, lax.max),
        "min": (jnp.inf, lax.min),
    }.get(kind, (0.0, lax.add))

    def run(x):
        pool = partial(
            lax.reduce_window,
            window_dimensions=window,
            window_strides=strides,
            padding=padding,
            base_dilation=base,
            window_dilation=dilation,
        )
        y = pool(x, start, join)
        return y / pool(jnp.ones_like(x), 0.0, lax.add) if kind == "average" else y

    return (run,)


def recurrence(maker, shape):
    if len(shape) != 3 or shape[1] > 40:
        return None
    kind, units = maker.one_of("rnn", "gru", "lstm", "odd"), maker.one_of(1, 3, 8, 32)
    is_last, reverse, masked = maker.chance(0.3), maker.chance(0.3), maker.chance(0.3)
    gates = {"rnn": 1, "gru": 3, "lstm": 4, "odd": 1}[kind]

    def run(x, w, u, b):
        rows = x.shape[0]
        zero = jnp.zeros((rows, units))

        def step(carry, row):
            h, c = carry
            inside = row @ w + b.reshape(1, -1)
            if kind == "gru":
                z, r, n = jnp.split(inside, 3, 1)
                uz, ur, un = jnp.split(h @ u, 3, 1)
                z, r = jax.nn.sigmoid(z + uz), jax.nn.sigmoid(r + ur)
                new, cell = z * h + (1 - z) * jnp.tanh(n + r * un), c
            elif kind == "lstm":
                i, f, o, g = jnp.split(inside + h @ u, 4, 1)
                cell = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                new = jax.nn.sigmoid(o) * jnp.tanh(cell)
            elif kind == "odd":
                first = jnp.broadcast_to(h[:, :1], h.shape)
                new, cell = jnp.tanh(inside + first @ u), jnp.maximum(c, h)
            else:
                new, cell = jnp.tanh(inside + h @ u), h
            if masked:
                new = jnp.where(row[:, :1] > -0.5, new, h)
            return (new, cell), (new, row[:, :1] * 2)

        (h, c), (ys, zs) = lax.scan(step, (zero, zero), x.swapaxes(0, 1), reverse=reverse)
        return h + c if is_last else jnp.concatenate([ys, zs], 2)

    weights = maker.weight((shape[2], gates * units)), maker.weight((units, gates * units))
    return run, *weights, maker.weight((gates * units,))


def loop(maker, shape):
    if len(shape) < 2 or shape[-1] > 64:
        return None
    kind, length = maker.one_of("scan", "fori", "while", "bare"), maker.upto(6)

    def run(x, w):
        if kind == "fori":
            return lax.fori_loop(0, length, lambda i, h: jnp.tanh(h @ w) + i * 0.1, x)
        if kind == "while":
            return lax.while_loop(
                lambda c: c[0] < length, lambda c: (c[0] + 1, jnp.tanh(c[1] @ w)), (0, x)
            )[1]
        if kind == "bare":
            return lax.scan(lambda h, _: (jnp.tanh(h @ w), None), x, None, length=length)[0]

        def step(carry, row):
            h, total, count = carry
            h = jax.nn.softmax(h @ w + row, -1)
            return (h, total + row.sum(0, keepdims=True), count + 1), (h * 2).sum()

        (h, total, count), ys = (
            lax.scan(step, (x[0], x[0][:1] * 0, 0), x)
            if x.ndim > 2
            else ((x, 0.0, 0), jnp.zeros(1))
        )
        return h + total + count + ys.sum()

    return run, maker.weight((shape[-1], shape[-1]))


def loss(maker, shape):
    classes = shape[-1]
    kind = maker.one_of("labels", "one hot", "binary", "mse", "focal")
    if kind in ("labels", "one hot"):

        def run(x, labels):
            scores = jax.nn.log_softmax(x, -1)
            if kind == "labels":
                return -jnp.take_along_axis(scores, labels[..., None], -1)[..., 0]
            return -(jax.nn.one_hot(labels, classes) * scores).sum(-1)

        return run, maker.integers(shape[:-1], classes)
    if kind == "binary":
        return (
            lambda x, y: jnp.maximum(x, 0) - x * (y > 0) + jnp.log1p(jnp.exp(-jnp.abs(x))),
            maker.weight(shape),
        )
    if kind == "focal":
        return (lambda x: -((1 - jax.nn.sigmoid(x)) ** 2) * jax.nn.log_sigmoid(x),)
    return lambda x, y: ((x - y) ** 2).mean(-1), maker.weight(shape)


def wrapped(maker, shape):
    """Another operation in a call that differentiation or tracing knows."""
    kind = maker.one_of("checkpoint", "jit", "custom_vjp", "custom_jvp", "map")
    found = maker.one_of(unary, softmax, normalisation, dense, reduction, convolution)(maker, shape)
    if found is None:
        return None
    fn, *others = found
    if kind == "checkpoint":
        return jax.checkpoint(fn), *others
    if kind == "jit":
        return jax.jit(fn), *others
    if kind == "map":
        return lambda x, *rest: lax.map(lambda row: fn(row, *rest), jnp.stack([x, x + 1]))[
            1
        ], *others
    if kind == "custom_jvp":
        whole = jax.custom_jvp(lambda *values: fn(*values))
        whole.defjvp(lambda values, tangents: jax.jvp(fn, values, tangents))
        return whole, *others
    other = jax.custom_vjp(lambda *values: fn(*values))
    other.defvjp(
        lambda *values: (fn(*values), values), lambda kept, dy: jax.vjp(fn, *kept)[1](2 * dy)
    )
    return other, *others


def residual(maker, shape):
    fns = [maker.one_of(*UNARY.values()) for _ in range(2)]
    return lambda x, w: x + fns[1](fns[0](x) @ w), maker.weight((shape[-1], shape[-1]))


def dropout(maker, shape):
    key = maker.upto(100)
    return (
        lambda x: jnp.where(jax.random.bernoulli(jax.random.key(key), 0.7, x.shape), x / 0.7, 0.0),
    )


def moments(maker, shape):
    """Several results of one array, joined: regions with more than one reader."""
    return (
        lambda x: (
            x * x.mean(-1, keepdims=True)
            + x.max(-1, keepdims=True)
            - jnp.exp(-jnp.abs(x)).sum(-1, keepdims=True) * x.min(-1, keepdims=True)
            + x.sum(tuple(range(x.ndim - 1)), keepdims=True) * 1e-3
        ),
    )


OPERATIONS = (
    *(unary, unary, unary, binary, binary, binary, reduction, reduction, column_sum, softmax),
    *(normalisation, normalisation, change_of_shape, change_of_shape, change_of_shape),
    *(dense, dense, product, product, self_product, attention, convolution, convolution),
    *(convolution, transposed_convolution, pooling, pooling, pooling, recurrence, recurrence),
    *(loop, loss, wrapped, wrapped, residual, dropout, moments),
)
