"""Lines that try to be more than text: markup, formulas, bidi overrides, controls, marks, emoji.

A line that is run sets `hit` on the window. Nothing of it may: a list is text everywhere.
"""

from __future__ import annotations

from itertools import cycle, islice

RUNS = "globalThis.hit=1"
MARKUP = [
    f"<script>{RUNS}</script>",
    f"</script><script>{RUNS}</script>",
    f"<img src=x onerror={RUNS}>",
    f"<svg onload={RUNS}>",
    f"<svg><script>{RUNS}</script></svg>",
    f'"><img src=x onerror={RUNS}>',
    f"'><svg/onload={RUNS}>",
    f"</title><script>{RUNS}</script>",
    f"</textarea><script>{RUNS}</script>",
    f"</style><script>{RUNS}</script>",
    f"<!--<script>{RUNS}</script>-->",
    f"<iframe srcdoc='<script>{RUNS}</script>'>",
    f"<a href=javascript:{RUNS}>a</a>",
    f"javascript:{RUNS}",
    f"<details open ontoggle={RUNS}>",
    f"<input autofocus onfocus={RUNS}>",
    f"<body onload={RUNS}>",
    f"<style>@import 'x'</style><b style=background:url(javascript:{RUNS})>",
    "<base href=//example.org/>",
    "<meta http-equiv=refresh content=0;url=//example.org>",
    "<link rel=stylesheet href=//example.org/a.css>",
    "${globalThis.hit=1}",
    "{{constructor.constructor('globalThis.hit=1')()}}",
    "&lt;b&gt;&amp;&#60;&#x3c;",
    "]]><![CDATA[",
]
FORMULAS = ["=1+1", '=HYPERLINK("//a.org")', "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A1"]
TEXTS = ['a"b', "a'b", "a,b", "a;b", "a\\b", "`a`", "a\\u003c", "null", "__proto__", "constructor"]
BIDI = [
    "\u202eabc\u202c", "a\u202eb", "\u2066\u2067\u2068abc", "abc\u200f\u200e", "אבג abc",
    "\u061cabc",
]  # fmt: skip
HIDDEN = [
    "a\u200bb", "\ufeffa", "a\u00adb", "a\u0007b", "\u001b[31mred", "a\u0001b",
    "\u009b31m", "a\u2028b", "a\u00a0b", "\u2060", "\U000e0041\U000e0042", "a\ufffeb", "\u180ea",
]  # fmt: skip
SHAPES = [
    "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "e\u0301", "Z" + "\u0335" * 60, "\u0301\u0302",
    "﷽" * 8, "𝕒𝖇𝒸", "ｆｕｌｌ", "ﬁ",
]  # fmt: skip
# What a browser takes for one letter, and therefore breaks nowhere.
UNBREAKABLE = ["a" + "\u0489" * 300, "👩" + "\u200d👩" * 100, "\u1100" * 300]
LONG = "x" * 900


def lines(total: int = 200) -> list[str]:
    """So many hostile lines, each distinct: what is above, then numbered again."""
    plain = [*MARKUP, *FORMULAS, *TEXTS, *BIDI, *HIDDEN, *SHAPES]
    numbered = (f"{line}{at}" for at, line in enumerate(cycle(plain)))
    first = [LONG, *UNBREAKABLE, *plain]
    return [*first, *islice(numbered, total - len(first))]


def many_symbols(count: int = 10_000) -> list[str]:
    """Lines of 50 symbols each, which together hold so many different ones."""
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + count)]
    return ["".join(letters[at : at + 50]) for at in range(0, count, 50)]
