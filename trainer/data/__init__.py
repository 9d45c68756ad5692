"""Training images: found, decoded once, kept as uint8, served shuffled on the device."""

from .image_set import ImageSet, to_unit_range
from .loading import fetch, load, load_reference
from .stream import Shuffled

__all__ = ["ImageSet", "Shuffled", "fetch", "load", "load_reference", "to_unit_range"]
