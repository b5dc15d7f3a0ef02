"""Errors of the data formats."""

from __future__ import annotations


class FormatError(ValueError):
    """A value, shape or byte string does not fit the data format it was given for."""


class UnknownFormatError(FormatError):
    """A dtype or format name that no data format of the machine answers to."""


class TileShapeError(FormatError):
    """A tile shape that is not one of the twelve legal ones, or an array tiles do not cover."""


class IntegerRangeError(FormatError):
    """An integer outside the range of its format; values are refused, never wrapped."""
