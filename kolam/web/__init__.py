"""The page side: a saved model or a report comes in, a folder or one page for a browser goes out.

Holds the JavaScript (`_static`): plain modules that are served as they are. Refuses models without
a feature program, for a page could not ask for their inputs by name.
"""

from kolam.web._export import export
from kolam.web._live import LiveModel, live_model
from kolam.web._report import Check, Curve, Example, Report, Step, Target
from kolam.web._write import write_report

__all__ = [
    "Check",
    "Curve",
    "Example",
    "LiveModel",
    "Report",
    "Step",
    "Target",
    "export",
    "live_model",
    "write_report",
]
