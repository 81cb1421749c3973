"""File formats: bytes on a disk or behind a URL in, Arrow tables and records out.

They know nothing of plans, orders or batches.
"""
