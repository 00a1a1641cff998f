"""Constraints on a line, compiled into one automaton over a vocabulary. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.sampling.constraints.automaton import Automaton, compile_constraints

__all__ = ["Automaton", "compile_constraints"]

__getattr__ = late_names(__name__, {"Automaton": "automaton", "compile_constraints": "automaton"})
