"""Rules on interval bounds."""

import pytest

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.metrics import Estimate, Evaluation, SliceResult
from kolam.pipeline import Gate


def evaluation(
    value: float, low: float, high: float, *, slices: tuple[SliceResult, ...] = ()
) -> Evaluation:
    overall = SliceResult({}, 500, {"auc": Estimate(value, low, high)})
    return Evaluation("binary", "auc", overall, slices)


def part(low: float, high: float) -> SliceResult:
    return SliceResult({"sex": 1}, 40, {"auc": Estimate((low + high) / 2, low, high)})


def judge(rule: str, new: Evaluation, old: Evaluation | None = None) -> bool:
    return Gate.parse([rule]).judge(new, old).passed


@pytest.mark.parametrize(
    ("rule", "passes"),
    [("auc >= 0.85", True), ("auc >= 0.88", False), ("auc <= 0.95", True), ("auc <= 0.93", False)],
)
def test_rule_on_all_rows_must_be_shown_by_the_worse_bound(rule: str, passes: bool) -> None:
    assert judge(rule, evaluation(0.9, 0.86, 0.94)) is passes


@pytest.mark.parametrize(("high", "passes"), [(0.84, True), (0.79, False)])
def test_rule_on_slices_fails_only_when_refuted(high: float, passes: bool) -> None:
    new = evaluation(0.9, 0.86, 0.94, slices=(part(0.5, high),))
    assert judge("every slice: auc >= 0.8", new) is passes


def test_rule_on_slices_of_one_column_ignores_the_others() -> None:
    assert judge("every slice of cp: auc >= 0.99", evaluation(0.9, 0.8, 1, slices=(part(0, 0.5),)))


@pytest.mark.parametrize(("high", "passes"), [(0.9, True), (0.85, False)])
def test_drop_fails_only_when_even_the_better_bound_is_worse(high: float, passes: bool) -> None:
    new = evaluation(0.84, 0.8, high)
    assert judge("drop(auc) <= 0.02", new, evaluation(0.9, 0.89, 0.91)) is passes


def test_relative_drop_is_a_share_of_the_blessed_value() -> None:
    new = evaluation(0.5, 0.4, 0.85)
    assert judge("drop(auc) <= 6%", new, evaluation(0.9, 0.89, 0.91))
    assert not judge("drop(auc) <= 5%", new, evaluation(0.9, 0.89, 0.91))


def test_first_model_has_nothing_to_fall_behind() -> None:
    verdict = Gate.parse(["drop(auc) <= 0.01"]).judge(evaluation(0.9, 0.8, 1))
    assert "no blessed model" in verdict.findings[0].reason


def test_reason_shows_the_numbers_that_were_compared() -> None:
    finding = Gate.parse(["auc >= 0.88"]).judge(evaluation(0.9, 0.86, 0.94)).findings[0]
    assert finding.reason == (
        "auc is 0.9 [0.86, 0.94]; its lower bound 0.86 is beyond the limit 0.88."
    )


@pytest.mark.parametrize("text", ["auc", "auc > 0.5", "every: auc >= 1", "drop(auc) >= 0.1", ""])
def test_rules_that_cannot_be_read_show_the_form(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot be read[\s\S]*'auc >= 0.8'"):
        Gate.parse([text])


def test_unknown_metric_is_named_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'auc'"):
        judge("aucc >= 0.5", evaluation(0.9, 0.8, 1))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_default_gates_can_be_read(task: str) -> None:
    assert Gate.default(task, 3).rules
