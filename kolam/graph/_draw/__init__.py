"""Pictures of programs: one SVG, or a page of parts that open and close.

In comes a graph, out goes a file that needs nothing else: no script, no network. Colours follow
the reader's choice of light or dark. TensorBoard gets its own file.
"""

from kolam.graph._draw.drawing import draw, write_tensorboard

__all__ = ["draw", "write_tensorboard"]
