"""Trees: taking what is stacked apart."""

from collections import namedtuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.data._trees import Tree, leaves, map_tree, same_structure, unstacked

Pair = namedtuple("Pair", ["one", "other"])
LEAVES = st.sampled_from(
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(3),
        np.array(["a", None, "b"], object),
        None,
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_trees_are_taken_apart_as_their_leaves_are(tree: Tree) -> None:
    rows = unstacked(tree, 3)
    assert len(rows) == 3
    for index, row in enumerate(rows):
        expected = map_tree(lambda leaf, index=index: leaf[index], tree)
        assert same_structure(row, expected)
        assert type(row) is type(expected)
        for found, wanted in zip(leaves(row), leaves(expected), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_elements_are_views() -> None:
    table = np.zeros((2, 3))
    unstacked({"x": table}, 2)[1]["x"][:] = 1
    assert table[1].all()
