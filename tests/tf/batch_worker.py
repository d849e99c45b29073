"""Answers many worker requests in one process, so that TensorFlow starts once per environment.

``python batch_worker.py FOLDER...``: each folder is what ``opcheck.worker`` gets, with a log of its
own on file descriptor 2.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from opcheck.worker.__main__ import main


def answer(folder: Path) -> None:
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    os.close(log)
    try:
        main(folder)
    except Exception:
        (folder / "crash").write_text(traceback.format_exc())
    import keras

    keras.backend.clear_session()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        answer(Path(name))
