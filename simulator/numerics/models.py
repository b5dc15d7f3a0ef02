"""Number models by name."""

from __future__ import annotations

from simulator.formats.errors import UnknownFormatError
from simulator.numerics.exact import ExactModel
from simulator.numerics.fast import FastModel
from simulator.numerics.model import NumberModel

NUMBER_MODELS = ("fast", "exact")
"""Names of the number models."""


def number_model(name: str) -> NumberModel:
    """The number model called ``name``; raises UnknownFormatError for another name."""
    models: tuple[NumberModel, ...] = (FastModel(), ExactModel())
    for model in models:
        if model.name == name:
            return model
    raise UnknownFormatError(f"no number model {name!r}; one of fast, exact")
