"""The run that a command is given, once it is known that what is asked of it can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.options import make
from makemore.settings import Sampling
from makemore.startup import only_draws

if TYPE_CHECKING:
    from makemore.estimator import MakeMore


def maker_under(folder: str, conditions: Mapping[str, Any]) -> MakeMore:
    """The maker of a run directory, to draw lines from and for nothing else.

    Raises Unsatisfiable, UsageError before its model is loaded: to say that no line can be as asked
    takes no model, and torch alone takes a second.
    """
    from makemore.constraints import compile_conditions
    from makemore.estimator import MakeMore
    from makemore.generate import encode_prefix
    from makemore.run import Run

    options, run = make(Sampling, conditions), Run.load(folder)
    encode_prefix(run.vocabulary, options.prefix)
    longest = run.vocabulary.longest([run.split.train])
    compile_conditions(run.vocabulary, options, 2 * longest, not options.all)
    with only_draws():
        return MakeMore.of_run(run)
