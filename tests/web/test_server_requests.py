"""requests.py: bodies of the API are checked, and what is wrong is named with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.errors import UsageError
from makemore.options import options_of
from makemore.sampling import SamplingConfig
from makemore.web.server.body import read_body
from makemore.web.server.requests import (
    explain_request,
    sample_request,
    score_request,
)

PARSERS = {"sample": sample_request, "score": score_request, "explain": explain_request}


def test_a_body_becomes_a_request() -> None:
    asked = sample_request(
        {"run": "names", "n": 5, "seed": 3, "top_k": 4, "prefix": "a", "temperature": 1}
    )
    assert (asked.n, asked.seed) == (5, 3)
    assert asked.options == (("prefix", "a"), ("temperature", 1.0), ("top_k", 4))
    plain = sample_request({})
    assert (plain.n, plain.seed, plain.options) == (20, None, ())
    assert score_request({"lines": ["a", ""]}).lines == ("a", "")
    explained = explain_request({"text": "emma", "top": 3})
    assert vars(explained) == {"text": "emma", "label": None, "top": 3, "temperature": 1.0}


def test_every_option_of_sample_is_a_key() -> None:
    for name, known in options_of(SamplingConfig).items():
        value = (known.choices or [{int: 1, float: 0.5, bool: True}.get(known.type, "a")])[0]
        assert dict(sample_request({name: value}).options) == {name: value}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("sample", {"n": 1001}, "n cannot be 1001 (n): give 1000 or less"),
    ("sample", {"n": 10**9}, "1000 or less"),
    ("sample", {"n": 10**5000}, "a number of 16610 bits"),
    ("sample", {"n": -1}, "give 0 or more"),
    ("sample", {"n": True}, "n cannot be True (n): give a whole number"),
    ("sample", {"n": "5"}, "give a whole number"),
    ("sample", {"n": 5.0}, "give a whole number"),
    ("sample", {"n": None}, "give a whole number"),
    ("sample", {"n": [5]}, "give a whole number"),
    ("sample", {"seed": 2**63}, "seed cannot be"),
    ("sample", {"seed": 1.5}, "(seed): give a whole number"),
    ("sample", {"temperature": float("inf")}, "give a finite number"),
    ("sample", {"temperature": float("nan")}, "give a finite number"),
    ("sample", {"temperature": 10**400}, "give a finite number"),
    ("sample", {"temperature": -1}, "give 0.0 or more"),
    ("sample", {"temperature": True}, "give a number"),
    ("sample", {"top_p": 0}, "give more than 0.0"),
    ("sample", {"all": 1}, "give true or false"),
    ("sample", {"prefix": None}, "give a text"),
    ("sample", {"prefix": "a" * 1001}, "prefix has 1001 characters (prefix): give 1000 at most"),
    ("sample", {"pattern": "a" * 60_000}, "give 1000 at most"),
    ("sample", {"prefix": "\ud800"}, "half of a surrogate pair"),
    ("sample", {"style": "grand"}, "choose one of tidy, plain, wild"),
    ("sample", {"temprature": 1}, "unknown key 'temprature': did you mean 'temperature'?"),
    ("sample", {"__class__": 1}, "unknown key '__class__'"),
    ("sample", {"x\x1b[31m": 1}, "unknown key 'x\\\\x1b[31m'"),
    ("score", {}, 'lines is no list of texts (lines): give {"lines": ["emma", ...]}'),
    ("score", {"lines": "emma"}, "no list of texts"),
    ("score", {"lines": ["a", 1]}, "no list of texts"),
    ("score", {"lines": ["a"] * 1001}, "1001 lines are too many"),
    ("score", {"lines": ["a" * 2001]}, "lines has 2001 characters"),
    ("score", {"lines": ["a\nb"]}, "lines holds a line break"),
    ("score", {"lines": ["\udfff"]}, "half of a surrogate pair"),
    ("score", {"line": []}, "did you mean 'lines'?"),
    ("explain", {}, 'no text to explain (text): give {"text": "emma"}'),
    ("explain", {"text": None}, "give a text"),
    ("explain", {"text": "a\nb"}, "text holds a line break"),
    ("explain", {"text": "a", "top": 101}, "give 100 or less"),
    ("explain", {"text": "a", "seed": 1}, "unknown key 'seed'"),
]


@pytest.mark.parametrize(("kind", "body", "says"), WRONG)
def test_what_is_wrong_is_named_with_what_to_give(
    kind: str, body: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        PARSERS[kind](body)
    assert says in str(caught.value) and len(str(caught.value)) < 500


def test_numbers_too_large_for_a_float_are_refused() -> None:
    with pytest.raises(ValueError, match="1e400"):
        read_body(b'{"temperature": 1e400}')
    with pytest.raises(UsageError, match="finite"):
        sample_request({"temperature": float("inf")})


KEYS = st.sampled_from(["run", "n", "seed", "lines", "text", "prefix", "top_k", "all", "label"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(body=st.dictionaries(KEYS | st.text(max_size=5), JSON, max_size=4))
def test_any_body_gives_a_request_or_says_what_is_wrong(body: dict[str, Any]) -> None:
    for parse in PARSERS.values():
        try:
            request = parse(body)
        except UsageError as error:
            assert str(error)
        else:
            json.dumps(vars(request), allow_nan=False).encode()


@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_as_json_is_or_refused(raw: bytes) -> None:
    try:
        body = read_body(raw)
    except ValueError:
        return
    assert body == json.loads(raw)


def test_the_server_itself_needs_neither_torch_nor_numpy_for_it() -> None:
    code = (
        "import sys, makemore.web.server.requests, makemore.web.server.drawing\n"
        "print(sorted({'torch', 'numpy', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
