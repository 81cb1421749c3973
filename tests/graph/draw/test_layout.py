"""Layouts: nothing lies on anything, arrows lead down."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.graph._draw.layout import Placed, place


@st.composite
def graphs(
    draw: st.DrawFn,
) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    count = draw(st.integers(1, 14))
    sizes = {
        f"box{i}": (float(draw(st.integers(40, 260))), float(draw(st.integers(20, 90))))
        for i in range(count)
    }
    pairs = list(combinations(sizes, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=24)) if pairs else []
    return sizes, chosen


@settings(max_examples=150, deadline=None)
@given(graph=graphs())
def test_no_box_lies_on_another_and_none_outside(
    graph: tuple[dict[str, tuple[float, float]], list[tuple[str, str]]],
) -> None:
    placed = place(*graph)
    assert set(placed.boxes) == set(graph[0])
    for left, top, width, height in placed.boxes.values():
        assert left >= -1e-6
        assert left + width <= placed.width + 1e-6
        assert top >= 0
        assert top + height <= placed.height + 1e-6
    for first, second in combinations(placed.boxes.values(), 2):
        apart_x = first[0] + first[2] <= second[0] or second[0] + second[2] <= first[0]
        apart_y = first[1] + first[3] <= second[1] or second[1] + second[3] <= first[1]
        assert apart_x or apart_y


@settings(max_examples=150, deadline=None)
@given(graph=graphs())
def test_arrows_lead_down_from_one_box_to_the_other(
    graph: tuple[dict[str, tuple[float, float]], list[tuple[str, str]]],
) -> None:
    placed = place(*graph)
    for (source, target), points in placed.arrows.items():
        start, end = placed.boxes[source], placed.boxes[target]
        assert points[0] == (start[0] + start[2] / 2, start[1] + start[3])
        assert points[-1] == (end[0] + end[2] / 2, end[1])
        heights = [y for _, y in points]
        assert heights == sorted(heights)


@settings(max_examples=50, deadline=None)
@given(graph=graphs())
def test_the_same_graph_is_laid_out_the_same_way(
    graph: tuple[dict[str, tuple[float, float]], list[tuple[str, str]]],
) -> None:
    assert place(*graph) == place(*graph)


def test_a_chain_is_straight() -> None:
    sizes = {"a": (60.0, 30.0), "b": (200.0, 30.0), "c": (90.0, 30.0), "d": (120.0, 30.0)}
    placed = place(sizes, [("a", "b"), ("b", "c"), ("c", "d")])
    centres = {round(left + width / 2, 6) for left, _, width, _ in placed.boxes.values()}
    assert len(centres) == 1


def test_two_crossed_pairs_are_uncrossed() -> None:
    sizes = {key: (50.0, 30.0) for key in ("a", "b", "c", "d")}
    placed = place(sizes, [("a", "d"), ("b", "c")])
    is_left = placed.boxes["a"][0] < placed.boxes["b"][0]
    assert is_left == (placed.boxes["d"][0] < placed.boxes["c"][0])


def test_nothing_has_a_layout_of_no_size() -> None:
    assert place({}, []) == Placed(0.0, 0.0, {}, {})
