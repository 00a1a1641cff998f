"""A run as a page: what is inside, what is not, and that it is the same bytes each time."""

from __future__ import annotations

import base64
import dataclasses
import getpass
import hashlib
import json
import platform
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore import MakeMore, SystemFault, UsageError
from makemore.runs import RunLog, RunWriter
from makemore.text.line_hashes import pack
from makemore.web import empty_page, page_of_run, run_page
from makemore.web.arrays import packed, rounded, widened
from makemore.web.compressed import as_text
from makemore.web.export import change_of_logs
from makemore.web.page import html_of, json_in_html
from makemore.web.prior import builtin_prior_page

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]
SMALL: dict[str, Any] = {"max_steps": 4, "threads": 1, "random_state": 1}
TRANSFORMER: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 8, **SMALL}
EVIL = "</script><script>alert(1)</script><!--&\u2028\u2029"


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    return MakeMore("transformer", **TRANSFORMER).fit(LINES)


def inflated(text: str) -> bytes:
    """Bytes of an element, by what its header says."""
    body = base64.b64decode(text)
    width, length = struct.unpack("<BI", body[:5])
    planes = np.frombuffer(zlib.decompress(body[5:]), dtype=np.uint8)
    return planes.reshape(width, -1).T.tobytes()[:length]


@given(st.binary(max_size=200))
def test_bytes_come_back(body: bytes) -> None:
    assert inflated(as_text(body)) == body


def test_weights_and_sorted_hashes_take_a_fifth_less() -> None:
    normal = np.random.default_rng(0).normal(0, 0.1, 50_000).astype(np.float16).tobytes()
    assert len(as_text(normal)) < 0.87 * len(base64.b64encode(normal))
    hashes = pack(np.random.default_rng(0).integers(0, 2**63, 30_000, dtype=np.uint64) * 2)
    assert len(as_text(hashes.tobytes())) < 0.8 * len(base64.b64encode(hashes.tobytes()))


class Elements(HTMLParser):
    """A page as a browser sees it: its tags, and the text of each element by id or tag."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.now = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.now = dict(attrs).get("id") or tag

    def handle_data(self, data: str) -> None:
        self.texts[self.now] = self.texts.get(self.now, "") + data

    def handle_endtag(self, tag: str) -> None:
        self.now = ""

    def metas(self) -> dict[str, str]:
        found = (attrs for tag, attrs in self.tags if tag == "meta")
        return {
            str(attrs.get("name") or attrs.get("http-equiv")): str(attrs["content"])
            for attrs in found if "content" in attrs
        }  # fmt: skip


def digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_a_page_allows_its_own_script_and_style_and_nothing_else(
    maker: MakeMore, static: Path
) -> None:
    page = Elements(page_of_run(run_page(maker), static))
    executed = [
        attrs for tag, attrs in page.tags
        if tag == "script" and attrs.get("type") in (None, "module", "text/javascript")
    ]  # fmt: skip
    assert executed == [{"id": "page"}]
    assert page.metas()["Content-Security-Policy"] == (
        f"default-src 'none'; script-src {digest(page.texts['page'])} 'wasm-unsafe-eval'; "
        f"style-src {digest(page.texts['style'])}; worker-src blob:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert ("html", {"lang": "en"}) in page.tags and "viewport" in page.metas()
    assert page.texts["title"] == "lines: new lines by makemore"
    assert "JavaScript" in page.texts["p"]
    assert not any(name in attrs for _, attrs in page.tags for name in ("src", "href", "style"))
    assert page.tags[3][1].get("http-equiv"), "the policy stands before all that it is about"


def test_the_payload_is_what_the_run_is(
    maker: MakeMore, static: Path, tmp_path: Path, run_node: Callable[..., Any]
) -> None:
    """As the page's own program reads it."""
    file = tmp_path / "page.html"
    file.write_bytes(page_of_run(run_page(maker, "float32"), static))
    read = run_node("page", {"file": str(file)})
    plan, model, run = maker.plan_, maker.model_, read["run"]
    assert plan is not None and model is not None
    for name, array in model.tensors().items():
        assert read["tensors"][name]["shape"] == list(array.shape)
        np.testing.assert_array_equal(
            np.array(read["tensors"][name]["data"], np.float32), array.reshape(-1)
        )
    assert len(read["tensors"]) == len(model.tensors())
    assert run["model"] == {
        "kind": "transformer", "vocabSize": 11, "blockSize": 5, "nLabels": 0,
        "options": {"n_layer": 1, "n_head": 2, "n_embd": 8, "dropout": 0.1},
        "nParameters": model.n_parameters,
    }  # fmt: skip
    assert run["vocabulary"] == maker.vocabulary.record()
    hashes = np.concatenate([part.hashes() for _, part in maker.split])
    assert read["known"] == pack(hashes).tobytes().hex() and run["known"]["count"] == len(LINES)
    assert run["lines"] == {name: len(part) for name, part in maker.split}
    assert run["sampling"] == {"minP": 0.1, "roundSize": plan.config.round_size, "cap": 8}
    assert run["losses"]["val"] == round(maker.report("val")["nll"], 4)
    assert run["card"]["digest"] == maker.split.digest() and read["lines"] is None
    assert 0 <= run["card"]["copies"] <= 1 and "no number is rounded" in run["card"]["made"]
    assert read["wasm"] == 8 and read["prior"] is None


MODELS: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3}, "mlp": {"n_hidden": 8, "batch_norm": True, **SMALL},
    "ensemble": {"members": "ngram order=3, mlp n_hidden=8, gru n_hidden=8", **SMALL},
}  # fmt: skip


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_is_described_with_its_members(
    model: str, labels: bool, static: Path, tmp_path: Path, run_node: Callable[..., Any]
) -> None:
    given = [line[1] for line in LINES] if labels else None
    maker = MakeMore(model, **MODELS[model]).fit(LINES, given)
    (tmp_path / "page.html").write_bytes(page_of_run(run_page(maker), static))
    read = run_node("page", {"file": str(tmp_path / "page.html")})
    assert maker.model_ is not None
    tensors = widened(rounded(maker.model_.tensors(), "float16"))
    assert {name: read["tensors"][name]["data"] for name in tensors} == {
        name: array.reshape(-1).tolist() for name, array in tensors.items()
    }
    spec = read["run"]["model"]
    assert spec["nLabels"] == (4 if labels else 0)
    if model == "ensemble":
        kinds = [(each["kind"], each["blockSize"]) for each in spec["members"]]
        assert kinds == [("ngram", 2 + labels), ("mlp", 3 + labels), ("gru", 5)]
        assert all(each["nLabels"] == spec["nLabels"] for each in spec["members"])


def test_half_precision_is_measured_on_validation_lines(maker: MakeMore) -> None:
    page, exact = run_page(maker), run_page(maker, "float32")
    assert len(page.weights) < 0.6 * len(exact.weights) and exact.change is None
    assert page.change is not None and 0 < page.change < 0.01
    assert (
        f"at most {page.change:.2g} nats ({len(maker.split.val)} validation lines)"
        in (page.payload["card"]["made"])
    )
    # Worse weights are told as worse ones: a tenth of every weight away is not 1e-3 nats.
    assert maker.plan_ is not None and maker.model_ is not None
    halves = rounded(maker.model_.tensors(), "float16")
    worse = {name: (array * 1.5).astype(array.dtype) for name, array in halves.items()}
    worst = change_of_logs(maker.plan_, maker.model_, worse)
    assert worst is not None and worst > 10 * page.change


def test_weights_beyond_half_precision_are_refused() -> None:
    with pytest.raises(UsageError, match="float32"):
        rounded({"a": np.array([1e5], np.float32)}, "float16")
    assert rounded({"a": np.array([1e5], np.float32)}, "float32")["a"].dtype == np.float32


def test_packed_tensors_begin_where_a_browser_can_read_them() -> None:
    arrays = {
        "b": np.ones(3, np.uint8),
        "a": np.ones((2, 2), np.float64),
        "c": np.array(2**40, "u8"),
    }
    listed, body = packed(arrays)
    assert [(each["name"], each["dtype"], each["offset"]) for each in listed] == [
        ("a", "F64", 0), ("b", "U8", 32), ("c", "I64", 40),
    ]  # fmt: skip
    assert len(body) == 48 and int.from_bytes(body[40:], "little") == 2**40


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(static: Path, tmp_path: Path) -> None:
    maker = MakeMore("transformer", **TRANSFORMER).fit(LINES)
    maker.save(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    pages = [
        page_of_run(run_page(MakeMore.load(folder)), static)
        for folder in (tmp_path / "one", tmp_path / "elsewhere" / "two")
    ]
    assert pages[0] == pages[1]
    text = pages[0].decode()
    for word in (str(tmp_path), getpass.getuser() + "@", platform.node(), str(Path.home())):
        assert word not in text or len(word) < 4
    assert not re.search(r"\b20[2-9]\d-\d\d-\d\d|file:|https?:", text)


def test_no_line_is_inside_unless_that_is_asked_for(maker: MakeMore, static: Path) -> None:
    text = page_of_run(run_page(maker), static).decode()
    payload = re.sub(r'<script id="page">.*?</script>', "", text, flags=re.DOTALL)
    assert not any(f'"{line}"' in payload or f"\n{line}\n" in payload for line in LINES)
    held = Elements(text.encode()).texts
    bodies = [inflated(held[name]) for name in ("weights", "known", "wasm")]
    assert not any(line.encode() in body for line in LINES for body in bodies)
    shared = Elements(page_of_run(run_page(maker, lines=True), static))
    lines = inflated(shared.texts["lines"]).decode()
    assert lines == maker.split.train.written()
    assert not set(maker.split.test) & set(lines.splitlines())


def test_losses_over_time_come_from_the_run_s_log(maker: MakeMore, tmp_path: Path) -> None:
    assert run_page(maker).payload["history"] == []  # it has no run directory
    maker.save(tmp_path / "run")
    with RunWriter(tmp_path / "run") as writer:
        log = RunLog(writer, every=1)
        log.step(1, 2.0, 0.1, 30)
        log.evaluated(2, 1.25, None)
        log.evaluated(1, 2.5, 2.6)
        log.evaluated(3, float("inf"), 1.125)
    assert run_page(MakeMore.load(tmp_path / "run")).payload["history"] == [
        {"step": 1, "train": 2.5, "val": 2.6},
        {"step": 2, "train": 1.25, "val": None},
        {"step": 3, "train": None, "val": 1.125},
    ]


def test_hostile_text_ends_no_element(static: Path) -> None:
    written = json_in_html({"a": EVIL})
    assert not set(written) & set("<>&\u2028\u2029") and json.loads(written) == {"a": EVIL}
    page = Elements(
        html_of(EVIL + "\u202e", {"run": {"name": EVIL}, "known": EVIL.encode()}, static)
    )
    assert [tag for tag, _ in page.tags].count("script") == 5
    assert json.loads(page.texts["run"]) == {"name": EVIL}
    assert page.texts["title"].startswith("</script><script>alert(1)")
    assert "\\u202e" in page.texts["title"]


def test_hostile_lines_and_labels_come_back_as_they_are(
    static: Path, tmp_path: Path, run_node: Callable[..., Any]
) -> None:
    lines = [
        line + odd for line in LINES[:12] for odd in ("<!--", "</script>", "\u2028x", "😀", "\x00x")
    ]
    maker = MakeMore("ngram", order=2).fit(lines, [EVIL if "<" in x else "b" for x in lines])
    (tmp_path / "page.html").write_bytes(page_of_run(run_page(maker, license=EVIL), static))
    run = run_node("page", {"file": str(tmp_path / "page.html")})["run"]
    assert run["vocabulary"] == maker.vocabulary.record() and run["card"]["license"] == EVIL


def test_a_program_that_cannot_stand_in_a_page_is_refused(static: Path) -> None:
    for name, text in (("page.js", "'</script >'"), ("page.css", "</STYLE>"), ("page.js", "<!--")):
        kept = (static / name).read_text()
        (static / name).write_text(text)
        with pytest.raises(SystemFault, match="cannot stand"):
            empty_page(static=static)
        (static / name).write_text(kept)
    (static / "page.wasm").unlink()
    with pytest.raises(SystemFault, match="page.wasm"):
        empty_page(static=static)


def test_the_empty_page_holds_no_run_and_maybe_the_prior(
    static: Path, tmp_path: Path, run_node: Callable[..., Any]
) -> None:
    small, prior = empty_page(static=static), builtin_prior_page()
    assert len(small) < 2000 and set(Elements(small).texts) >= {"wasm", "page"}
    (tmp_path / "page.html").write_bytes(page := empty_page(prior, static))
    assert len(page) < 4_400_000  # so that the program has room below 5 MB
    read = run_node("page", {"file": str(tmp_path / "page.html")})
    assert read["run"] is None and read["prior"]["model"]["kind"] == "transformer"
    assert read["prior"]["model"]["nLabels"] == len(read["prior"]["vocabulary"]["labels"])
    assert "head.weight" in read["priorTensors"] and read["prior"]["known"]["count"] > 100_000


def test_what_no_page_computes_is_refused(maker: MakeMore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not fitted|fit"):
        run_page(MakeMore("ngram"))
    words = MakeMore("ngram", order=2, symbols=r"\w+|\s").fit(["ab cd", "ef gh", "ab gh"])
    with pytest.raises(UsageError, match="character or grapheme"):
        run_page(words)
    assert maker.plan_ is not None
    config = dataclasses.replace(maker.plan_.config, model="somebody's")
    monkeypatch.setattr(maker, "plan_", dataclasses.replace(maker.plan_, config=config))
    with pytest.raises(UsageError, match="no page computes"):
        run_page(maker)
