"""Pictures of programs: one SVG, or a page of parts that open and close.

In comes a graph, out goes a file that needs nothing else: no script, no network. Colours follow
the reader's choice of light or dark.
"""

from kolam.graph._draw.drawing import draw

__all__ = ["draw"]
