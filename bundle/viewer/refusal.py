"""Turn what is wrong with a request into an answer that says so."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SERVER_MODULE = "monailabel.app"
"""Module of the web application; it is loaded in the process that answers requests and in no other."""

BAD_REQUEST = 400


@contextmanager
def refusals() -> Iterator[None]:
    """Let a server answer with the reason where the block finds something wrong with a request.

    MONAI Label answers every exception with "Internal Server Error" except Starlette's HTTPException, whose reason it
    sends on. Starlette is no requirement of this package: it is there where the server is.

    Raises:
        HTTPException: In a server, for a ValueError, RuntimeError or OSError of the block, status 400.
    """
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if SERVER_MODULE not in sys.modules:
            raise
        server: Any = importlib.import_module("starlette.exceptions")
        raise server.HTTPException(BAD_REQUEST, detail=" ".join(str(error).split())) from error
