"""Fetch by name, feed by name, variables, runs in steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    InvalidTypeError,
    TensorSpec,
    UnknownNameError,
)
from kolam.graph import Graph, Session, assign, name


def fn(x, y):  # type: ignore[no-untyped-def]
    hidden = name("hidden", jnp.tanh(x))
    return {"probs": hidden * 2, "other": y + 1}


@pytest.fixture
def session() -> Session:
    return Session(Graph.from_function(fn, TensorSpec(("batch",)), TensorSpec((2,))))


X, Y = np.array([0.5, 1.0, 1.5], np.float32), np.array([1.0, 2.0], np.float32)


def test_fetches_keep_their_form(session: Session) -> None:
    feed = {"x": X, "y": Y}
    assert session.run("other", feed).shape == (2,)
    first, second = session.run(["probs", "hidden"], feed_dict=feed)
    np.testing.assert_allclose(first, 2 * second)
    nested = session.run({"a": "hidden", "b": ("probs", "other")}, feed)
    assert nested["b"][1].shape == (2,)
    np.testing.assert_allclose(nested["a"], np.tanh(X), rtol=1e-6)


def test_what_a_fetch_does_not_need_may_be_left_out(session: Session) -> None:
    np.testing.assert_allclose(session.run("hidden", {"x": X}), np.tanh(X), rtol=1e-6)


def test_a_set_of_fetches_is_pruned_once(session: Session) -> None:
    for _ in range(3):
        session.run(["probs", "hidden"], {"x": X})
    assert len(session._parts) == 1


def test_no_fetch_gives_nothing(session: Session) -> None:
    assert session.run([], {}) == []


def test_an_unknown_fetch_or_feed_suggests_near_names(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hidden'"):
        session.run("hiden", {"x": X})
    with pytest.raises(UnknownNameError, match="no input, node or variable 'z'"):
        session.run("hidden", {"z": X})


def test_a_needed_feed_that_lacks_is_named(session: Session) -> None:
    with pytest.raises(InvalidArgumentError, match="needs the input x"):
        session.run("hidden", {"y": Y})


def test_a_fetch_that_is_no_name_is_refused(session: Session) -> None:
    with pytest.raises(InvalidTypeError, match="A fetch or feed is a int"):
        session.run([3], {})


# ------------------------------------------------------------------------------ feeding nodes


def test_a_fed_node_takes_the_place_of_what_computed_it(session: Session) -> None:
    hidden = np.array([1.0, 2.0], np.float32)
    probs = session.run("probs", {"hidden": hidden})
    np.testing.assert_array_equal(probs, 2 * hidden)


def test_a_fed_node_and_an_input_must_agree_in_their_sizes() -> None:
    graph = Graph.from_function(lambda x: x + name("h", 2 * x), TensorSpec(("batch",), name="x"))
    with pytest.raises(InvalidArgumentError, match="The size 'batch' is 3 in 'x' axis 0 and 2"):
        Session(graph).run("output", {"x": X, "h": Y})


def test_two_names_of_one_value_cannot_both_be_fed() -> None:
    graph = Graph.from_function(lambda x: name("b", name("a", x + 1)) * 2, TensorSpec(()))
    with pytest.raises(InvalidArgumentError, match="The nodes 'a' and 'b' are one value"):
        Session(graph).run("output", {"a": 1.0, "b": 2.0})


def test_the_name_of_a_pytree_fetches_all_of_it() -> None:
    graph = Graph.from_function(
        lambda x: name("parts", {"low": x - 1, "high": x + 1})["low"], TensorSpec(())
    )
    parts = Session(graph).run(["parts", "output"], {"x": 5.0})[0]
    assert {key: float(value) for key, value in parts.items()} == {"low": 4, "high": 6}


CHAIN: dict[str, Callable[[Any], Any]] = {
    "double": lambda x: x + x,
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda _, c: c * 0.5 + 1, x),
    "sort": lambda x: jnp.sort(x),
    "sums": lambda x: jnp.cumsum(x),
    "tanh": jnp.tanh,
}


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(st.sampled_from(sorted(CHAIN)), min_size=2, max_size=5),
    data=st.data(),
    rows=st.integers(1, 4),
)
def test_any_node_of_any_chain_may_be_fetched_and_fed(
    steps: list[str], data: st.DataObject, rows: int
) -> None:
    def chain(x: Any) -> Any:
        for index, step in enumerate(steps):
            x = name(f"node_{index}", CHAIN[step](x))
        return x * 3

    fed = data.draw(st.integers(0, len(steps) - 2))
    fetched = data.draw(st.integers(fed + 1, len(steps) - 1))
    session = Session(Graph.from_function(chain, TensorSpec(("rows",), name="x")))
    value = np.linspace(-1, 2, rows, dtype=np.float32)
    wanted = value
    for step in steps[fed + 1 : fetched + 1]:
        wanted = CHAIN[step](wanted)
    got = session.run(f"node_{fetched}", {f"node_{fed}": value})
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------------------- variables


def counting(weights: dict[str, Any], by: Any) -> dict[str, Any]:
    total = weights["total"] + by
    assign("total", total, name="add")
    assign("total", weights["total"] * 0, name="clear")
    return {"half": weights["total"] / 2, "moved": total}


@pytest.fixture
def counter() -> Graph:
    return Graph.from_function(
        counting, TensorSpec((), name="by"), weights={"total": np.float32(10)}
    )


def test_a_variable_changes_when_its_assignment_is_fetched(counter: Graph) -> None:
    session = Session(counter)
    session.run("moved", {"by": 1.0})
    assert float(session.run("total")) == 10
    assert [float(session.run("add", {"by": 1.0})) for _ in range(3)] == [11, 12, 13]
    assert float(session.variables["total"]) == 13


def test_all_reads_of_a_run_see_the_values_from_before_it(counter: Graph) -> None:
    session = Session(counter)
    add, half, total = session.run(["add", "half", "total"], {"by": 6.0})
    assert (float(add), float(half), float(total)) == (16, 5, 10)
    assert float(session.run("half")) == 8


def test_sessions_of_one_graph_know_nothing_of_each_other(counter: Graph) -> None:
    first, second = Session(counter), Session(counter)
    first.run("add", {"by": 1.0})
    assert float(second.run("total")) == 10
    assert counter.weights["total"] == 10


def test_reset_gives_the_first_values_again(counter: Graph) -> None:
    with Session(counter) as session:
        session.run("add", {"by": 1.0})
        session.reset()
        assert float(session.run("total")) == 10


def test_a_fed_variable_counts_for_one_run(counter: Graph) -> None:
    session = Session(counter)
    assert float(session.run("half", {"total": 4.0})) == 2
    assert float(session.run("half")) == 5


def test_two_assignments_of_one_variable_in_one_run_are_refused(counter: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'add' and 'clear' both assign .* 'total'"):
        Session(counter).run(["add", "clear"], {"by": 1.0})


def test_variables_are_set_and_checked(counter: Graph) -> None:
    session = Session(counter)
    session.assign({"total": 3})
    assert float(session.run("half")) == 1.5
    with pytest.raises(InvalidArgumentError, match=r"'total' has shape \(2,\)"):
        session.assign({"total": [1.0, 2.0]})
    with pytest.raises(UnknownNameError, match="no variable 'totl'"):
        session.assign({"totl": 1.0})


def test_variables_go_to_a_file_and_come_back(counter: Graph, tmp_path: Path) -> None:
    session = Session(counter)
    session.run("add", {"by": 1.0})
    session.save(tmp_path / "variables.safetensors")
    other = Session(counter)
    other.restore(tmp_path / "variables.safetensors")
    assert float(other.run("total")) == 11


def test_a_file_that_holds_other_variables_is_refused(counter: Graph, tmp_path: Path) -> None:
    path = tmp_path / "variables.safetensors"
    other = Graph.from_function(lambda w: w["a"] * 2, weights={"a": np.zeros(2, np.float32)})
    Session(other).save(path)
    with pytest.raises(IntegrityError, match=r"variables of another graph: .*missing: \['total'\]"):
        Session(counter).restore(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "There is no file"), (b"", "no variables that can be read"), (b"\x08" * 40, "no vari")],
)
def test_a_file_that_is_missing_or_damaged_is_refused(
    counter: Graph, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "variables.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match=message):
        Session(counter).restore(path)


def test_the_values_of_a_session_go_into_a_graph(counter: Graph) -> None:
    session = Session(counter)
    session.run("add", {"by": 1.0})
    assert counter.with_weights(session.variables).weights["total"] == 11


def test_an_assignment_outlives_the_folder(counter: Graph) -> None:
    again = Graph(counter.to_bytes(), counter.weights)
    assert again.updates == {"add": "total", "clear": "total"}
    assert float(Session(again).run("add", {"by": 1.0})) == 11


def test_what_is_assigned_must_fit_the_weight() -> None:
    def fn(weights: dict[str, Any]) -> Any:
        return assign("a", weights["a"].sum())

    with pytest.raises(
        InvalidArgumentError, match=r"'assign/a' assigns float32 \(\) to the weight"
    ):
        Graph.from_function(fn, weights={"a": np.zeros(2, np.float32)})


def test_a_weight_that_does_not_exist_cannot_be_assigned() -> None:
    with pytest.raises(UnknownNameError, match="There is no weight 'b'"):
        Graph.from_function(lambda w: assign("b", w["a"]), weights={"a": np.float32(1)})


@pytest.mark.parametrize("text", ["", 3])
def test_an_assignment_needs_names(text: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`assign` got the name"):
        assign(text, 1.0)


# ------------------------------------------------------------------------------ runs in steps


def stages(a: Any, b: Any, c: Any) -> dict[str, Any]:
    first = name("first", jnp.cumsum(jnp.sin(a)))
    second = name("second", first * b)
    return {"third": second + c, "size": jnp.float32(a.shape[0])}


@pytest.fixture
def steps() -> Session:
    rows = TensorSpec(("rows",))
    return Session(Graph.from_function(stages, rows, rows, rows))


def test_a_run_in_steps_gives_what_one_run_gives(steps: Session) -> None:
    one = np.array([1.0, 2.0], np.float32)
    run = steps.partial_run_setup(["first", "second", "third"], ["a", "b", "c"])
    first = steps.partial_run(run, "first", {"a": one})
    second = steps.partial_run(run, "second", {"b": first})
    third = steps.partial_run(run, ["third", "first"], {"c": one})[0]
    wanted = steps.run(["first", "second", "third"], {"a": one, "b": first, "c": one})
    for got, expected in zip([first, second, third], wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_step_computes_nothing_that_an_earlier_one_computed(steps: Session) -> None:
    one = np.array([1.0, 2.0], np.float32)
    run = steps.partial_run_setup(["first", "third"], ["a", "b", "c"])
    steps.partial_run(run, "first", {"a": one})
    done = run.done
    steps.partial_run(run, "third", {"b": one, "c": one})
    maker = run.plan.part(frozenset(), frozenset(run.values), run.done)
    assert done < run.done
    assert maker.covers == run.done
    sine = next(i for i, o in enumerate(run.plan._operations) if "sine" in o.name)
    assert sine in done


def test_an_inner_node_may_be_fed_in_a_step(steps: Session) -> None:
    one = np.array([1.0, 2.0], np.float32)
    run = steps.partial_run_setup(["first", "third"], ["a", "second", "c"])
    steps.partial_run(run, "first", {"a": one})
    third = steps.partial_run(run, "third", {"second": 10 * one, "c": one})
    np.testing.assert_array_equal(third, 11 * one)


def test_a_size_is_read_from_what_has_been_fed(steps: Session) -> None:
    run = steps.partial_run_setup(["size", "third"], ["a", "b", "c"])
    with pytest.raises(InvalidArgumentError, match="'size' needs the feed of a"):
        steps.partial_run(run, "size")
    assert float(steps.partial_run(run, "size", {"c": X})) == 3


def test_a_second_run_in_the_same_steps_compiles_nothing(steps: Session) -> None:
    one = np.array([1.0, 2.0], np.float32)
    for _ in range(2):
        run = steps.partial_run_setup(["first", "third"], ["a", "b", "c"])
        steps.partial_run(run, "first", {"a": one})
        steps.partial_run(run, "third", {"b": one, "c": one})
    assert len(run.plan._parts) == 2


@pytest.mark.parametrize(
    ("fetches", "feeds", "message"),
    [
        ("second", {}, "'second' needs the feed of b, which no step has given yet"),
        ("third", {}, "'third' is fetched, but was not announced"),
        ("second", {"c": X}, "'c' is fed, but was not announced"),
        ("second", {"a": X}, "'a' was fed in an earlier step"),
    ],
)
def test_a_step_that_does_not_fit_its_run_is_refused(
    steps: Session, fetches: str, feeds: dict[str, Any], message: str
) -> None:
    run = steps.partial_run_setup(["first", "second"], ["a", "b"])
    steps.partial_run(run, "first", {"a": X})
    with pytest.raises(InvalidArgumentError, match=message):
        steps.partial_run(run, fetches, feeds)


def test_a_run_in_steps_keeps_the_variables_of_its_beginning(counter: Graph) -> None:
    session = Session(counter)
    run = session.partial_run_setup(["half", "add"], ["by"])
    session.assign({"total": 100.0})
    assert float(session.partial_run(run, "half")) == 5
    assert float(session.partial_run(run, "add", {"by": 1.0})) == 11
    assert float(session.run("total")) == 11


def test_a_variable_is_no_part_of_a_run_in_steps(counter: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="'total' is a variable"):
        Session(counter).partial_run_setup(["total"])
