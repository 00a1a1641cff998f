"""Audit: checks of a list of lines before a model learns it. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.text.audit.checks import Census, Finding, census

__all__ = ["Census", "Finding", "census"]

# Imported when first used, as in every wing.
__getattr__ = late_names(__name__, {"census": "checks", "Census": "checks", "Finding": "checks"})
