"""Turns words on a command line into one call of one room.

Progress goes to standard error, results to standard output; with ``--json`` the last thing there
is one JSON object. Exit status 0: done; 1: an error, said in one message; 2: the command line
cannot be read; 3: the model did not pass the gate.
"""

from kolam.cli._app import app, main

__all__ = ["app", "main"]
