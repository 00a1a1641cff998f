"""The commands of docs/serve.md, typed against a server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.test_serve import process
from makemore import MakeMore

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = ["M" + a + b + c for a in "aeiou" for b in "dklnr" for c in ("ia", "ina", "on")]
DRAWN = re.compile(r"/api/(sample|score|explain)\b")


def commands() -> list[str]:
    """Each curl of the page, one a command."""
    page = (DOCS / "serve.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("curl ")]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_what_the_page_shows_works(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in NAMES))
    MakeMore("ngram", order=3).fit(NAMES).save(tmp_path / "runs" / "names")
    shown = commands()
    assert len(shown) == 12
    said = []
    with process(tmp_path, "list.txt") as (_, server):
        draws = b"no such path" not in server.post("/api/sample", {}).body
        url = f"http://127.0.0.1:{server.port}"
        for command in shown:
            if DRAWN.search(command) and not draws:
                continue
            script = f"URL={url} TOKEN={server.token}\n{command}"
            done = subprocess.run(
                ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
            said.append(done.stdout)
            if "few" in command and "lines" in command:
                server.state("few", "finished")
        errors = [json.loads(text)["error"] for text in said if text.startswith('{"error"')]
        # Nobody who types them one after the other is quick enough to stop a model of counts.
        assert [error["message"] for error in errors] == [
            "the run is not in training", "the run has finished its training"
        ]  # fmt: skip
        assert said[-1] == (tmp_path / "list.txt").read_text()
        assert (tmp_path / "weights.bin").stat().st_size > 1000
