"""The names that a plugin imported until 0.1, for one release: see makemore.models."""

from makemore.models.core.base import Arrays, CountModel, Model
from makemore.models.core.registry import about, load_plugin, register
from makemore.models.core.registry import get_model as find
from makemore.models.core.registry import model_names as names
from makemore.models.core.transition_table import TransitionTable as States

__all__ = [
    "Arrays", "CountModel", "Model", "States", "about", "find", "load_plugin", "names", "register",
]  # fmt: skip
