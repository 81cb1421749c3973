"""Model and data in, trained model out: many steps of a Keras model in one compiled loop.

In come a compiled Keras model and arrays or a `Dataset`; out come the trained model and history,
the same to the bit as Keras' own `fit` with the same order. A run that was killed goes on where it
was. It refuses what it does not support, and never ignores an argument.
"""

from kolam.train._fit import fit
from kolam.train._step_graph import step_graph, training_state

__all__ = ["fit", "step_graph", "training_state"]
