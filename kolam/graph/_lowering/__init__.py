"""Traced programs rewritten for XLA's CPU back end, after differentiation and before compiling."""
