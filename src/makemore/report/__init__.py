"""Reports: pages and charts of a run, as plain files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.report.page import render_page, write_page
    from makemore.report.sections import parts

__all__ = ["parts", "render_page", "write_page"]

__getattr__ = late_names(
    __name__, {"parts": "sections", "write_page": "page", "render_page": "page"}
)
