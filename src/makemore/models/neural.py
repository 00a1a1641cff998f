"""The names that a plugin imported until 0.1, for one release: see makemore.models."""

from makemore.models.core.kv_cache import KVCache as Cache
from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step

__all__ = ["Cache", "Dropout", "NeuralModel", "numpy_step"]
