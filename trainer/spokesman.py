"""How several processes of ``torchrun`` end with one word where all of them meet the same error.

The first process of each machine says it at once, and ``torchrun`` then ends the others there. Those wait
for that; one that is not ended has met an error of its own, and says so. What is said also goes where
``torchrun`` looks for the cause of a failure, so that the table it prints last names it.
"""

import io
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from time import time
from typing import Final, NoReturn

from trainer.errors import PeerError, TrainingError

#: Seconds until a process that was not ended speaks for itself.
PATIENCE: Final = 5.0


def is_first() -> bool:
    """Whether this process speaks for those of its machine; without ``torchrun`` it always does."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def end_with(problem: TrainingError) -> NoReturn:
    """End with the error as one line, and with status 1."""
    line = f"gantrain: {problem}"
    if not isinstance(problem, PeerError):  # nobody else can say that
        let_the_first_speak()
    if place := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        with suppress(OSError):
            Path(place).write_text(json.dumps({"message": line, "timestamp": int(time())}))
    sys.exit(line)


@contextmanager
def held_back() -> Iterator[None]:
    """Around what ends the process by itself, having printed why: reading the command line."""
    if is_first():
        yield
        return
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    except SystemExit as ended:
        if ended.code:
            let_the_first_speak()
            sys.stderr.write(printed.getvalue())
        raise


def let_the_first_speak() -> None:
    if not is_first():
        threading.Event().wait(PATIENCE)
