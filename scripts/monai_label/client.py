"""Ask a MONAI Label server: what it offers, a segmentation, a training."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from scripts.monai_label.serve import NAME


@dataclass(frozen=True)
class Answer:
    """Answer to a request.

    Attributes:
        status: HTTP status.
        reason: why the server refused; empty where it did not.
        params: parameters beside the image, or the whole answer where it is JSON.
        image: the image's file, empty where none came.
        seconds: duration.
    """

    status: int
    reason: str
    params: dict[str, Any] = field(default_factory=dict)
    image: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class Client:
    """A server and the model that it is asked for.

    Attributes:
        url: address of the server.
        model: name of the model.
        timeout: seconds to wait for an answer.
    """

    url: str
    model: str = NAME
    timeout: float = 300.0

    def info(self) -> dict[str, Any]:
        """Return what the server offers."""
        response = requests.get(f"{self.url}/info/", timeout=self.timeout)
        response.raise_for_status()
        return dict(response.json())

    def infer(self, image: str = "", options: Mapping[str, Any] | None = None, *, file: Path | None = None) -> Answer:
        """Ask for the segmentation of an image of the data store, or of a file that is sent along.

        Args:
            image: name of the image in the data store.
            options: options of the model, such as its threshold.
            file: file to send.
        """
        files = {} if file is None else {"file": (file.name, file.read_bytes())}
        start = time.perf_counter()
        response = requests.post(
            f"{self.url}/infer/{self.model}",
            params={"image": image, "output": "all"},
            data={"params": json.dumps(dict(options or {}))},
            files=files or None,
            timeout=self.timeout,
        )
        return _answer(response, time.perf_counter() - start)

    def unlabelled(self) -> list[str]:
        """Return the names of the images of the data store that have no final label."""
        response = requests.get(f"{self.url}/datastore/", params={"output": "all"}, timeout=self.timeout)
        response.raise_for_status()
        objects = response.json()["objects"]
        return sorted(name for name, entry in objects.items() if "final" not in entry.get("labels", {}))

    def train(self, **params: Any) -> dict[str, Any]:
        """Train on the labelled images of the data store and return the task when it has ended."""
        response = requests.post(f"{self.url}/train/{self.model}", json=params, timeout=self.timeout)
        response.raise_for_status()
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            task = dict(requests.get(f"{self.url}/train/", timeout=self.timeout).json())
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                return task
            time.sleep(1.0)
        raise TimeoutError(f"{self.url}: the training must end within {self.timeout:g} s, it is still running")

    def save_label(self, image: str, label: Path) -> None:
        """Store a label of an image, as a viewer does when a label is submitted.

        Args:
            image: name of the image in the data store.
            label: NIfTI file of the label.
        """
        response = requests.put(
            f"{self.url}/datastore/label",
            params={"image": image, "tag": "final"},
            files={"label": (label.name, label.read_bytes())},
            timeout=self.timeout,
        )
        response.raise_for_status()


def _answer(response: requests.Response, seconds: float) -> Answer:
    """Read a response of any kind."""
    kind = response.headers.get("content-type", "")
    if not response.ok:
        reason = str(response.json().get("detail", "")) if "json" in kind else response.text
        return Answer(response.status_code, reason, seconds=seconds)
    if kind.startswith("multipart/"):
        parts = _parts(response.content, kind)
        return Answer(response.status_code, "", json.loads(parts["params"]), parts.get("image", b""), seconds)
    if "json" in kind:
        return Answer(response.status_code, "", dict(response.json()), seconds=seconds)
    return Answer(response.status_code, "", image=response.content, seconds=seconds)


def _parts(content: bytes, kind: str) -> Mapping[str, bytes]:
    """Return the parts of a multipart answer by name."""
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    parts = {}
    for part in content.split(boundary)[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        parts[name] = body.removesuffix(b"\r\n")
    return parts
