"""Models: one file each, from a table of counts to a transformer; core/ holds what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.models.core.base import CountModel, Model
    from makemore.models.core.neural import NeuralModel
    from makemore.models.core.registry import get_model, register

__all__ = ["CountModel", "Model", "NeuralModel", "get_model", "register"]

__getattr__ = late_names(
    __name__,
    {
        "Model": "core.base",
        "CountModel": "core.base",
        "NeuralModel": "core.neural",
        "register": "core.registry",
        "get_model": "core.registry",
    },
)
