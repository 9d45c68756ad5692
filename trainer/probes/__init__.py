"""Instruments for GAN training, usable in any loop: torch, numpy and the standard library are all they
need.
"""

from .watch import Evaluation, Watch

__all__ = ["Evaluation", "Watch"]
