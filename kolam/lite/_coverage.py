"""The page that says what compiles and what does not, from the registry of the frontend."""

from kolam.lite._frontend.operations import REFUSED, TRANSLATIONS
from kolam.lite._program import FLOATS, HALVES, SIGNED, UNSIGNED

_HEAD = """# What compiles and what does not

`kl.lite.compile` takes the StableHLO of a `Graph`. This page lists every operation of StableHLO
and of CHLO (what JAX writes for functions such as `erf`). It is made from the compiler's own
registry by `scripts/write-coverage`. All shapes must be known: give symbolic sizes with `sizes=`.

| letter | dtypes |
|---|---|
| f | {floats} |
| i | {signed} |
| u | {unsigned} |
| b | bool |

A unit of the last place (ULP) is of the dtype itself; functions of rare use are computed in
float64 for float32, so they are within 1 ULP there. Numbers of 16 bits are computed in float32
and rounded after every operation. float64 and integers of 64 bits work on every target; on small
processors they are slow. Complex numbers, tuples, and floats of 4 and 8 bits are refused.

## Compiles

| operation | dtypes | note |
|---|---|---|
{compiled}

## Does not compile

An `UnsupportedError` names the operation, the line of your code and what to do. Nothing is built,
and nothing falls back to XLA in silence.

| operation | what to do |
|---|---|
{refused}
"""


def coverage_page() -> str:
    """Write the guide of operations, in Markdown."""
    compiled = [
        f"| `{name}` | {' '.join(entry.kinds)} | {entry.note} |"
        for name, entry in sorted(TRANSLATIONS.items())
    ]
    refused = [f"| `{name}` | {how} |" for name, how in sorted(REFUSED.items())]
    return _HEAD.format(
        floats=", ".join((*HALVES, *FLOATS)),
        signed=", ".join(SIGNED),
        unsigned=", ".join(UNSIGNED),
        compiled="\n".join(compiled),
        refused="\n".join(refused),
    )
