"""Instruments for GAN training, usable in any loop: torch, numpy and the standard library are all they
need.
"""

from .judges.beside import Beside
from .watch import Evaluation, Watch

__all__ = ["Beside", "Evaluation", "Watch"]
