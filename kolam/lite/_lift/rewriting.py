"""All rewrites of a network, in the order in which they run."""

from collections.abc import Callable

from kolam.lite._lift.absorb import ABSORB
from kolam.lite._lift.activations import recognise_activations
from kolam.lite._lift.cancel import CANCEL, SINK, divide_by_factor
from kolam.lite._lift.recognise import RECOGNISE
from kolam.lite._lift.rules import Rules, rewrite_with
from kolam.lite._lift.splits import join_slices
from kolam.lite._lift.updates import join_updates
from kolam.lite._network import Network

Phase = Callable[[Network], Network]


def _together(*tables: Rules) -> Rules:
    ops = dict.fromkeys(op for table in tables for op in table)
    return {op: tuple(rule for table in tables for rule in table.get(op, ())) for op in ops}


def _by(*tables: Rules) -> Phase:
    rules = _together(*tables)
    return lambda network: rewrite_with(network, rules)


PHASES: tuple[Phase, ...] = (
    join_updates,  # first: what unrolled loops wrote is one array
    _by(CANCEL, SINK),  # views between operators hide what belongs together
    _by(CANCEL, RECOGNISE),  # means and softmax while their parts are whole
    recognise_activations,  # before a part of one is absorbed
    _by(CANCEL, SINK),  # what the new operators brought
    _by({"DIV": (divide_by_factor,)}),  # after means and pools took their divisors
    join_slices,  # after slices of concatenations went away
    _by(ABSORB, CANCEL),  # last: scales into weights, then activations into operators
)


def rewrite(network: Network) -> Network:
    """Run all phases."""
    for phase in PHASES:
        network = phase(network)
    return network
