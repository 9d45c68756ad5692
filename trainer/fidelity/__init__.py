"""How near generated images are to real ones: IS, FID, KID, precision and recall, by torch-fidelity."""

from .measuring import Meter, meter_of
from .protocol import Protocol
from .stored import Measured, measure_checkpoint, open_checkpoint

__all__ = ["Measured", "Meter", "Protocol", "measure_checkpoint", "meter_of", "open_checkpoint"]
