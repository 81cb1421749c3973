"""The memory plan."""

from hypothesis import given
from hypothesis import strategies as st

from kolam.lite._memory import ALIGNMENT, Lifetime, live_bytes, place_buffers

LIFETIMES = st.dictionaries(
    st.integers(0, 30),
    st.builds(
        lambda size, first, length: Lifetime(size, first, first + length),
        st.integers(1, 5000),
        st.integers(0, 20),
        st.integers(0, 8),
    ),
    max_size=30,
)


@given(LIFETIMES)
def test_arrays_that_live_together_do_not_overlap(lifetimes: dict[int, Lifetime]) -> None:
    offsets, total = place_buffers(lifetimes)
    for one, a in lifetimes.items():
        for two, b in lifetimes.items():
            together = one < two and a.first <= b.last and b.first <= a.last
            apart = offsets[one] + a.bytes <= offsets[two] or offsets[two] + b.bytes <= offsets[one]
            assert apart or not together
        assert offsets[one] + a.bytes <= total


@given(LIFETIMES)
def test_offsets_are_aligned_and_no_plan_is_below_what_lives(
    lifetimes: dict[int, Lifetime],
) -> None:
    offsets, total = place_buffers(lifetimes)
    assert all(offset % ALIGNMENT == 0 for offset in offsets.values())
    assert total >= live_bytes(lifetimes)


def test_a_chain_of_equal_arrays_needs_two_places() -> None:
    chain = {i: Lifetime(640, i, i + 1) for i in range(10)}
    assert place_buffers(chain)[1] == 2 * 640
