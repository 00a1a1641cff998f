"""Runs a script of page/test by node: bundled by esbuild, a case in, what it computed out."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "page"
ESBUILD = PAGE / "node_modules" / ".bin" / "esbuild"


def run_script(name: str, case: Any, folder: Path) -> Any:
    """Bundle page/test/NAME into a folder, run it on a case, and return what it prints as JSON."""
    node = shutil.which("node")
    if node is None or not ESBUILD.exists():
        pytest.skip("no node, or page/ has no node_modules (npm ci in page/)")
    bundle, given = folder / name, folder / f"{name}.json"
    given.write_text(json.dumps(case), encoding="utf-8")
    command: list[str | Path] = [
        ESBUILD,
        PAGE / "test" / name,
        "--bundle",
        "--platform=node",
        "--format=esm",
    ]
    subprocess.run([*command, f"--outfile={bundle}", "--log-level=warning"], check=True)
    done = subprocess.run([node, bundle, given], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
