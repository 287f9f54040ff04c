"""Run modules as ``python -m`` does, in forks of a process that has imported the libraries.

Their import takes longer than most workflows of the tests. A fork has it done, and is otherwise a process of its own,
with arguments, environment, outputs and exit status; it draws random numbers that no other fork does.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}  # what is read before a fork


def run_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module arguments`` in the repository to its end."""
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        request = {
            "argv": [module, *arguments],
            "environment": {**os.environ, **ENVIRONMENT, **(environment or {})},
            "outputs": [str(path) for path in outputs],
        }
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = json.loads(server.stdout.readline())
        return subprocess.CompletedProcess(request["argv"], status, *(path.read_text() for path in outputs))


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Start the process that is forked, once in a process of pytest."""
    server = subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # closes its input, which ends it
    return server


def _serve() -> None:
    import captum.attr  # noqa: F401
    import monai.bundle  # noqa: F401
    import numpy as np
    import SimpleITK  # noqa: F401
    import torch

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            answers.close()
            for draw_seed in (random.seed, np.random.seed, torch.seed):  # else all forks would draw the same
                draw_seed()
            _become(**request)
            return
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n")
        answers.flush()


def _become(argv: list[str], environment: dict[str, str], outputs: list[str]) -> None:
    """Go on as ``python -m``; the interpreter ends as it would then, whatever the module raises."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = os.getcwd()
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
