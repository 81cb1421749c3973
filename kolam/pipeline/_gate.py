"""The gate: rules on interval bounds that a model must pass before it is published.

A rule over all rows must be *shown*: the worse bound of the interval must satisfy it. A rule over
slices, and one against the last blessed model, must not be *refuted*: it fails when even the
better bound does not satisfy it, since a small slice can show nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.metrics import MEASURES, Estimate, Evaluation, SliceResult

_RULE = re.compile(
    r"\s*(?:every slice(?: of (?P<column>.+?))?\s*:)?\s*"
    r"(?:(?P<drop>drop)\(\s*(?P<dropped>\w+)\s*\)|(?P<metric>\w+))\s*"
    r"(?P<sign>>=|<=)\s*(?P<limit>[-+]?[\d.]+(?:e[-+]?\d+)?)\s*(?P<percent>%?)\s*"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition of a gate.

    Attributes:
        text: The rule as it was written.
        metric: Name of the metric.
        sign: ``">="`` or ``"<="``.
        limit: What the metric, or its drop, is compared with.
        is_drop: Whether the worsening against the last blessed model is judged.
        is_relative: Whether a drop is a share of the blessed value.
        every_slice: Whether each slice is judged instead of all rows.
        column: Only slices of this column, if given.
    """

    text: str
    metric: str
    sign: str
    limit: float
    is_drop: bool = False
    is_relative: bool = False
    every_slice: bool = False
    column: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read a rule such as ``"auc >= 0.8"`` or ``"every slice of sex: drop(auc) <= 0.02"``.

        Raises:
            InvalidArgumentError: The text is not of that form.

        Example:
            >>> Rule.parse("every slice of sex: drop(auc) <= 2%").limit
            0.02
        """
        found = _RULE.fullmatch(text)
        is_drop = bool(found and found["drop"])
        if found is None or (is_drop and found["sign"] != "<="):
            raise InvalidArgumentError(
                f"The gate rule {text!r} cannot be read.",
                how="Write it as 'auc >= 0.8', 'every slice of sex: auc >= 0.7' "
                "or 'drop(auc) <= 0.01'.",
            )
        scale = 100 if found["percent"] else 1
        return cls(
            text=text.strip(),
            metric=found["dropped"] or found["metric"],
            sign=found["sign"],
            limit=float(found["limit"]) / scale,
            is_drop=is_drop,
            is_relative=is_drop and bool(found["percent"]),
            every_slice=text.strip().startswith("every slice"),
            column=found["column"],
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found.

    Attributes:
        rule: The rule as it was written.
        passed: Whether it holds.
        reason: One sentence with the numbers that were compared.
    """

    rule: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of a model."""

    passed: bool
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "passed": self.passed,
            "findings": [
                {"rule": item.rule, "passed": item.passed, "reason": item.reason}
                for item in self.findings
            ],
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules that a model must pass, all of them.

    Example:
        >>> Gate.parse(["auc >= 0.8", "drop(auc) <= 0.01"]).rules[0].metric
        'auc'
    """

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Gate":
        """Read one rule a text.

        Raises:
            InvalidArgumentError: One of them cannot be read.
        """
        return cls(tuple(Rule.parse(text) for text in texts))

    @classmethod
    def default(cls, task: str, num_classes: int) -> "Gate":
        """Give the rules for when none are said: better than knowing nothing, no step back."""
        if task == "binary":
            return cls.parse(["auc >= 0.5", "every slice: auc >= 0.5", "drop(auc) <= 0.01"])
        if task == "multiclass":
            chance = round(1 / num_classes, 4)
            return cls.parse(
                [
                    f"balanced_accuracy >= {chance}",
                    f"every slice: accuracy >= {chance}",
                    "drop(accuracy) <= 0.01",
                ]
            )
        return cls.parse(["r2 >= 0", "drop(rmse) <= 2%"])

    def judge(self, evaluation: Evaluation, blessed: Evaluation | None = None) -> Verdict:
        """Judge an evaluation, against that of the last blessed model if there is one.

        Raises:
            UnknownNameError: A rule names a metric that the evaluation does not have.
        """
        for rule in self.rules:
            if rule.metric not in evaluation.overall.metrics:
                raise UnknownNameError.among("metric", rule.metric, evaluation.overall.metrics)
        findings = tuple(_apply(rule, evaluation, blessed) for rule in self.rules)
        return Verdict(all(finding.passed for finding in findings), findings)


def _apply(rule: Rule, evaluation: Evaluation, blessed: Evaluation | None) -> Finding:
    if rule.is_drop and blessed is None:
        return Finding(rule.text, True, "There is no blessed model to compare with yet.")
    checks = []
    for row in _rows(rule, evaluation):
        new = row.metrics[rule.metric]
        old = _same_row(row, blessed, rule.metric) if blessed is not None else None
        if new.value is None or (rule.is_drop and (old is None or old.value is None)):
            continue
        if rule.is_drop:
            assert old is not None
            checks.append(_check_drop(rule, row, new, old))
        else:
            checks.append(_check_bound(rule, row, new))
    failed = [check for check in checks if not check.passed]
    if failed:
        more = f" ({len(failed)} of {len(checks)} slices fail.)" if rule.every_slice else ""
        return Finding(rule.text, False, failed[0].reason + more)
    if rule.every_slice:
        return Finding(rule.text, True, f"None of {len(checks)} slices refutes it.")
    return checks[0] if checks else Finding(rule.text, True, "It cannot be computed on these rows.")


def _rows(rule: Rule, evaluation: Evaluation) -> Iterator[SliceResult]:
    if not rule.every_slice:
        yield evaluation.overall
        return
    for row in evaluation.slices:
        if rule.column is None or rule.column in row.slice:
            yield row


def _same_row(row: SliceResult, blessed: Evaluation, metric: str) -> Estimate | None:
    for other in (blessed.overall, *blessed.slices):
        if other.slice == row.slice:
            return other.metrics.get(metric)
    return None


def _check_bound(rule: Rule, row: SliceResult, new: Estimate) -> Finding:
    worse, better = (new.low, new.high) if rule.sign == ">=" else (new.high, new.low)
    bound = better if rule.every_slice else worse
    bound = new.value if bound is None else bound
    assert bound is not None
    passed = bound >= rule.limit if rule.sign == ">=" else bound <= rule.limit
    side = "lower" if (rule.sign == ">=") != rule.every_slice else "upper"
    return Finding(
        rule.text,
        passed,
        f"{_place(row)}{rule.metric} is {_shown(new)}; its {side} bound {bound:.4g} "
        f"is {'within' if passed else 'beyond'} the limit {rule.limit:.4g}.",
    )


def _check_drop(rule: Rule, row: SliceResult, new: Estimate, old: Estimate) -> Finding:
    is_greater_better = MEASURES[rule.metric].greater_is_better
    best = new.high if is_greater_better else new.low
    best = new.value if best is None else best
    assert best is not None
    assert old.value is not None
    drop = old.value - best if is_greater_better else best - old.value
    if rule.is_relative:
        drop /= max(abs(old.value), 1e-12)
    passed = drop <= rule.limit
    return Finding(
        rule.text,
        passed,
        f"{_place(row)}{rule.metric} is {_shown(new)}, that of the blessed model is "
        f"{old.value:.4g}: {'not ' if passed else ''}shown to be worse by more than "
        f"{rule.limit:.4g}{' of it' if rule.is_relative else ''}.",
    )


def _place(row: SliceResult) -> str:
    return f"{row.name}: " if row.slice else ""


def _shown(estimate: Estimate) -> str:
    value = f"{estimate.value:.4g}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:.4g}, {estimate.high:.4g}]"
