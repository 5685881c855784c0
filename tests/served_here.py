"""A model that is served in this process, for all that does not need a worker; whether messages can travel is tried with each."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from napari_sam2.cluster.model_actor import ModelActor
from napari_sam2.cluster.remote_compute import RemoteCompute, Transfers, WorkerLink


class Served:
    """What dask gives for a server: calls that are answered later, by way of bytes."""

    def __init__(self, server: ModelActor, asked: list[tuple[str, int]]) -> None:
        self.server, self._asked = server, asked

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            arguments, named = pickle.loads(pickle.dumps((arguments, named)))
            if name == "compute":
                self._asked.append((arguments[0].method, arguments[0].frame))
            answer = pickle.loads(pickle.dumps(getattr(self.server, name)(*arguments, **named)))
            return SimpleNamespace(result=lambda: answer, done=lambda: True)

        return call


class ServedHere(RemoteCompute):
    """A connection to this process.

    Attributes
    ----------
    num_begun : int
        Workers that were begun.
    asked : list of tuple
        Steps that they were asked for: method and frame.
    """

    def __init__(self) -> None:
        self.address = "tcp://127.0.0.1:1"
        self.transfers = Transfers()
        self.is_of_session = False
        self._links = {}
        self._client = SimpleNamespace(as_current=lambda: pytest.MonkeyPatch.context(), close=lambda: None)  # type: ignore[assignment]
        self.num_begun = 0
        self.asked: list[tuple[str, int]] = []

    def _begin(self, client: Any, model: str, device: str) -> WorkerLink:  # there is none
        self.num_begun += 1
        server = ModelActor(model, device)
        return WorkerLink(Served(server, self.asked), None, server.describe())

    def _connected(self) -> Any:
        return self._client

    def close(self) -> None:
        """Nothing is to be closed."""

    def lose(self) -> None:
        """Let the worker be gone at the next call."""
        for link in self._links.values():
            link.server = Lost()


class Lost:
    """What dask raises for a worker that is gone."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("Unable to contact Actor's worker")


@pytest.fixture
def served_here(monkeypatch: pytest.MonkeyPatch) -> ServedHere:
    """A connection to this process, with the embedded model on the CPU."""
    monkeypatch.setattr("distributed.get_worker", lambda: SimpleNamespace(address="tcp://127.0.0.1:2"))
    return ServedHere()
