"""Derivatives and `vmap`."""

# mypy: ignore-errors
from tests.autograph.compared.control import collatz
from tests.autograph.compared.rows import row


def _newton(a):
    x = a
    while abs(x * x - a) > 1e-6 * a:
        x = 0.5 * (x + a / x)
    return x


@row("reverse derivative through a `while`", (2.0,), (9.0,), mode="grad")
def slope(a):
    return _newton(a)


@row("forward derivative through a `while`", (2.0,), (9.0,), mode="forward")
def forward_slope(a):
    return _newton(a)


@row("second derivative through a `while`", (2.0,), (9.0,), mode="second")
def curvature(a):
    return _newton(a)


@row("`vmap` of a `while`: trips differ between examples", (27,), (1,), (6,), mode="vmap")
def mapped(n):
    return collatz(n)


@row("`vmap` of an `if`, where the side not taken would divide by 0", (2.0,), (0.0,), mode="vmap")
def mapped_branch(x):
    if x > 0:
        return 1 / x
    return x


@row("`vmap` of the reverse derivative of a `while`", (2.0,), (9.0,), mode="vmap grad")
def mapped_slope(a):
    return _newton(a)
