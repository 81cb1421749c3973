"""Which operations a column gets when nobody says: what suits a linear model or a small network."""

import numpy as np

from kolam.features._columns import Column, Kind, chain_width
from kolam.features._learn import frequent, quantiles
from kolam.features._ops import (
    Chain,
    Clip,
    Cyclic,
    Impute,
    Missing,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)
from kolam.features._run import part_of
from kolam.features._summary import ColumnSummary

_MAX_WIDTH = 2_048
_MAX_VOCABULARY = 64
_FEW_VALUES = 32  # hours and days of the month as well
_HEAVY_TAIL = 5.0  # distance of an end from the median, in interquartile ranges


def choose_columns(
    summaries: dict[str, ColumnSummary],
) -> tuple[list[Column], dict[str, str]]:
    """Choose chains for every column.

    Args:
        summaries: What the pass over the table left, by column name.

    Returns:
        The columns, not yet learnt, and why each of the others is left out.
    """
    reasons = {name: why for name, one in summaries.items() if (why := reason_to_drop(one))}
    kept = {name: one for name, one in summaries.items() if name not in reasons}
    limit = _MAX_VOCABULARY
    columns = [choose(name, one, limit) for name, one in kept.items()]
    while limit > 4 and sum(_width(c, kept[c.name]) for c in columns) > _MAX_WIDTH:
        limit //= 2
        columns = [choose(name, one, limit) for name, one in kept.items()]
    return columns, reasons


def reason_to_drop(summary: ColumnSummary) -> str | None:
    """Say why a column holds nothing to learn from, `None` if it does."""
    there = summary.rows - summary.missing
    if not there:
        return "has no values at all"
    if there < rare(summary.rows):
        return f"has a value in only {there} of {summary.rows} rows"
    if summary.reads == "text":
        return _reason_to_drop_text(summary, there)
    if summary.low == summary.high and not _is_often_missing(summary):
        return "has the same value in every row"
    if summary.reads == "number" and _numbers_rows(summary, there):
        return "numbers the rows: every whole number of its range stands there once"
    return None


def choose(name: str, summary: ColumnSummary, limit: int) -> Column:
    """Choose the chains of one column; `limit` is the size of a vocabulary at most."""
    missing: tuple[Chain, ...] = ((Missing(),),) if _is_often_missing(summary) else ()
    if summary.reads == "text":
        return Column(name, "category", ((_vocabulary(summary, limit), OneHot()),))
    if summary.low == summary.high:
        return Column(
            name,
            "number" if summary.reads == "number" else _kind(summary),
            (((Part("seconds"), Missing()),) if summary.reads == "date" else missing),
        )
    if summary.reads == "boolean":
        return Column(name, "boolean", ((Impute("mean"),), *missing))
    if summary.reads == "date":
        return Column(name, "date", _date_chains(summary))
    if has_few_values(summary):
        one_hot: Chain = (_vocabulary(summary, limit), OneHot())
        ordered: tuple[Chain, ...] = ((Impute(), ZScore()),) if len(summary.counts) > 2 else ()
        return Column(name, "category", (one_hot, *ordered))
    if has_heavy_tail(summary):
        return Column(name, "number", ((Impute(), Clip(), ZScore()), (Squash(),), *missing))
    return Column(name, "number", ((Impute(), ZScore()), *missing))


def has_few_values(summary: ColumnSummary) -> bool:
    """Say whether numbers are whole and so few that each is a category of its own."""
    distinct = len(summary.counts)
    enough = distinct <= 2 or 10 * distinct <= summary.rows - summary.missing
    return summary.is_whole and summary.counts.is_complete and distinct <= _FEW_VALUES and enough


def has_heavy_tail(summary: ColumnSummary) -> bool:
    """Say whether an end lies so far out that it would rule the standard deviation."""
    low, middle, high = quantiles(summary.sample, np.array([0.25, 0.5, 0.75]))
    reach = max(summary.high - middle, middle - summary.low)
    return bool(reach > _HEAVY_TAIL * (high - low))


def rare(rows: int) -> int:
    """Give the number of rows below which a value is too rare to learn from."""
    return max(2, min(20, rows // 1000))


def _is_often_missing(summary: ColumnSummary) -> bool:
    return summary.missing >= rare(summary.rows)


def _kind(summary: ColumnSummary) -> Kind:
    return "boolean" if summary.reads == "boolean" else "date"


def _vocabulary(summary: ColumnSummary, limit: int) -> Vocabulary:
    return Vocabulary(max_size=limit, min_count=rare(summary.rows))


def _reason_to_drop_text(summary: ColumnSummary, there: int) -> str | None:
    distinct = len(summary.counts)
    if summary.counts.is_complete:
        if distinct == 1 and not _is_often_missing(summary):
            return "has the same value in every row"
        if distinct == there and there > 1:
            return "has another value in every row, as an identifier has"
    rule = _vocabulary(summary, 1)
    if not frequent(summary.counts.most_frequent(), rule):
        return f"has {distinct} values, none of them in at least {rule.min_count} rows"
    return None


def _numbers_rows(summary: ColumnSummary, there: int) -> bool:
    if not summary.is_whole or there < 50 or summary.high - summary.low + 1 != there:
        return False
    sample = summary.sample[~np.isnan(summary.sample)]
    return len(np.unique(sample)) == len(sample)


def _date_chains(summary: ColumnSummary) -> tuple[Chain, ...]:
    chains: list[Chain] = [(Part("seconds"), Impute(), ZScore())]
    for part in ("month", "weekday", "hour"):
        values = part_of(part, summary.sample)
        if len(np.unique(values[~np.isnan(values)])) > 1:
            chains.append((Part(part), Cyclic()))
    return (*chains, (Part("seconds"), Missing())) if _is_often_missing(summary) else tuple(chains)


def _width(column: Column, summary: ColumnSummary) -> int:
    """Give the width that a column will have once it is learnt, at most."""
    width = 0
    for chain in column.chains:
        first = chain[0]
        if isinstance(first, Vocabulary):
            width += min(len(summary.counts), first.max_size) + 2
        else:
            width += chain_width(chain)
    return width
