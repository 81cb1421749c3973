import datetime
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.core import InvalidTypeError
from kolam.web._page import page_json, single_page

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_data_comes_out_of_a_page_as_it_went_in(value: object) -> None:
    assert json.loads(page_json(value)) == value


@given(st.text(alphabet="</script>!-& \u2028", max_size=40))
def test_no_text_in_the_data_can_end_its_element(text: str) -> None:
    assert not re.search("[<>&]", page_json({text: text}))


def test_what_json_lacks_becomes_what_it_has() -> None:
    data = {
        "nan": float("nan"),
        "inf": -np.inf,
        "one": np.float32(1.5),
        "day": datetime.date(2024, 2, 29),
    }
    assert page_json(data) == '{"day":"2024-02-29","inf":null,"nan":null,"one":1.5}'


def test_a_value_without_a_json_form_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="cannot show a value of type set") as caught:
        page_json({"x": {1, 2}})
    assert "Give text, numbers" in str(caught.value)


def test_a_title_never_becomes_markup() -> None:
    page = single_page("demo/demo.js", {}, title="<b>&\"'", description="<i>")
    assert "<title>&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_a_single_page_allows_no_connection() -> None:
    policy = re.search(
        r'Content-Security-Policy" content="([^"]+)"',
        single_page("demo/demo.js", {}, title="t", description="d"),
    )
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;;")
    assert "http" not in policy[1]
    assert "unsafe-inline" not in policy[1]
