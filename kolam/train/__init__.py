"""Model and data in, trained model out: many steps in one compiled loop.

In come a compiled Keras model, or a step function and its state, and arrays, a `Dataset` or other
batches; out come what was trained and a history. A Keras model is the same to the bit as by Keras'
own `fit` with the same order. A run that was killed goes on where it was. It refuses what it does
not support, and never ignores an argument.
"""

from kolam.train._fit import fit
from kolam.train._step_graph import step_graph, training_state

__all__ = ["fit", "step_graph", "training_state"]
