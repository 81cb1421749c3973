"""From raw data to a pushed model: steps, artefacts, lineage, the gate.

In: plain functions and what they need. Out: artefacts under the digest of their content, with a
record of how each came to be; steps that ran before on the same inputs are skipped, and a run that
was killed goes on where it was. `run_table` is the main job: a table to a judged, shipped model.
"""

from kolam.pipeline._gate import Finding, Gate, Rule, Verdict
from kolam.pipeline._pipeline import Observer, Pipeline
from kolam.pipeline._store import Artifact, Execution, Store
from kolam.pipeline._table import TableJob, TableResult, run_table

__all__ = [
    "Artifact",
    "Execution",
    "Finding",
    "Gate",
    "Observer",
    "Pipeline",
    "Rule",
    "Store",
    "TableJob",
    "TableResult",
    "Verdict",
    "run_table",
]
