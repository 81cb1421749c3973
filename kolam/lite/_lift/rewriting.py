"""All rewrites of a network, in the order in which they run."""

from kolam.lite._lift.absorb import ABSORB
from kolam.lite._lift.activations import CHAINS, recognise_activation
from kolam.lite._lift.cancel import CANCEL, SINK
from kolam.lite._lift.recognise import RECOGNISE
from kolam.lite._lift.rules import Rules, rewrite_with
from kolam.lite._network import Network


def _together(*tables: Rules) -> Rules:
    ops = dict.fromkeys(op for table in tables for op in table)
    return {op: tuple(rule for table in tables for rule in table.get(op, ())) for op in ops}


PHASES: tuple[Rules, ...] = (
    _together(CANCEL, SINK),  # first: views between operators hide what belongs together
    _together(CANCEL, RECOGNISE),  # means and softmax while their parts are whole
    {op: (recognise_activation,) for op in CHAINS},  # before a part of one is absorbed
    _together(CANCEL, SINK),  # what the new operators brought
    _together(ABSORB, CANCEL),  # last: scales into weights, then activations into operators
)


def rewrite(network: Network) -> Network:
    """Run all phases."""
    for rules in PHASES:
        network = rewrite_with(network, rules)
    return network
