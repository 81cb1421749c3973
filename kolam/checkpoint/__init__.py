"""Training state to disk and back, with the data position and the random state in the same step.

In comes a tree of arrays with two small JSON records; out comes the same, from the newest whole
step. Half-written steps do not exist; a damaged one is named and refused. To run a model elsewhere
is another thing: that is what a SavedModel is for.
"""

from kolam.checkpoint._checkpoints import Checkpoints, Restored

__all__ = ["Checkpoints", "Restored"]
