"""Prior: what a page holds of the built-in prior, from which its trainings may start."""

from __future__ import annotations

import numpy as np

from makemore.api.prior import Prior, load_prior, split_name
from makemore.text.line_hashes import PACKED_BYTES, pack, unpack
from makemore.training.config import BUILTIN_PRIOR
from makemore.version import __version__
from makemore.web.arrays import packed, rounded
from makemore.web.contents import FORMAT, PriorPage


def builtin_prior_page() -> PriorPage:
    """Collect what a page holds of the prior that comes with makemore. Raises RunError."""
    prior = load_prior(BUILTIN_PRIOR)
    if prior is None:  # it is none for the names "auto" and "none" alone
        raise ValueError(BUILTIN_PRIOR)
    return prior_page(prior)


def prior_page(prior: Prior) -> PriorPage:
    """Collect what a page holds of a prior: its weights in half precision, as it comes packed.

    No torch: the sizes stand in prior.json, and a page is written without making the model.
    """
    listed, weights = packed(rounded(prior.tensors, "float16"))
    lines = np.concatenate([unpack(prior.lines.read), unpack(prior.lines.held_out)])
    known = pack(lines).tobytes()
    payload = {
        "format": FORMAT, "version": __version__, "name": split_name(prior.name)[0],
        "model": {
            "kind": prior.model, "vocabSize": len(prior.vocabulary), "blockSize": prior.block_size,
            "nLabels": len(prior.vocabulary.labels), "options": prior.options,
            "nParameters": sum(array.size for array in prior.tensors.values()),
        },
        "vocabulary": prior.vocabulary.record(),
        "tensors": listed,
        "known": {"count": len(known) // PACKED_BYTES, "bytes": PACKED_BYTES},
    }  # fmt: skip
    return PriorPage(payload, weights, known)
