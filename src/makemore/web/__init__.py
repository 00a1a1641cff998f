"""Web: makemore as a page, one HTML file that works without a server and a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.web.contents import RunPage
    from makemore.web.export import run_page
    from makemore.web.page import check_target, empty_page, page_of_run, served_page, write_page

__all__ = [
    "RunPage",
    "check_target",
    "empty_page",
    "page_of_run",
    "run_page",
    "served_page",
    "write_page",
]

__getattr__ = late_names(
    __name__,
    {
        "RunPage": "contents",
        "run_page": "export",
        "check_target": "page",
        "empty_page": "page",
        "page_of_run": "page",
        "served_page": "page",
        "write_page": "page",
    },
)
