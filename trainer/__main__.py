"""``python -m trainer`` is ``gantrain``."""

from trainer.cli import main

main()
