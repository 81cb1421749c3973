"""Programs as things: functions and models in, one Graph out, run, fetched from, saved.

In comes a Python function, a Keras model or StableHLO text; out goes a `Graph`, whose static form
compilers read, and a `SavedModel`, a folder that can run no code when it is loaded. It refuses
names that do not exist, inputs that do not fit, and folders that were altered.
"""

from kolam.graph._builder import Builder, gradients
from kolam.graph._cost import Cost, CostEntry
from kolam.graph._flops import Work
from kolam.graph._function import Function, function, trace
from kolam.graph._graph import Graph
from kolam.graph._lowering.lower import lower
from kolam.graph._operations import Block, Module, Operation, TensorType, read_module
from kolam.graph._partial import PartialRun
from kolam.graph._running import StaticProgram
from kolam.graph._saved import SavedModel, load
from kolam.graph._session import Session
from kolam.graph._subgraphs import Subgraph
from kolam.graph._symbols import Symbol, Variable
from kolam.graph._trace import assign, name

__all__ = [
    "Block",
    "Builder",
    "Cost",
    "CostEntry",
    "Function",
    "Graph",
    "Module",
    "Operation",
    "PartialRun",
    "SavedModel",
    "Session",
    "StaticProgram",
    "Subgraph",
    "Symbol",
    "TensorType",
    "Variable",
    "Work",
    "assign",
    "function",
    "gradients",
    "load",
    "lower",
    "name",
    "read_module",
    "trace",
]
