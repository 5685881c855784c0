"""A machine that computes for sessions here: the connection to it, the workers that have models, and what travelled.

Sessions, their files, prompts and results stay here. A worker holds nothing that is not here too: where it is lost, the step that
was asked for fails with one sentence, nothing has changed, and the next step goes on with another worker.
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from napari_sam2.checks import shown
from napari_sam2.cluster.address import Certificates
from napari_sam2.cluster.connection import connect, reach_directly
from napari_sam2.cluster.messages import Computed, Missing, ModelDescription, Request
from napari_sam2.cluster.model_actor import ModelActor
from napari_sam2.cluster.pixels import windows_to_send
from napari_sam2.cluster.refusal import ClusterError, WorkerLostError
from napari_sam2.cluster.workers import fitting_workers
from napari_sam2.predictors.zoom import View
from napari_sam2.version import __version__
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from distributed import Client


SMALLEST_MODEL = "micro"
"""A worker on which not even this can be loaded is of no use."""
SECONDS_BETWEEN_REPORTS = 0.2


@dataclass
class Transfers:
    """What travelled so far.

    Attributes
    ----------
    frames, tensors : int
        Frames of the image, whole or windows of them, and memories and other tensors, that were sent.
    sent_bytes, received_bytes : int
        Pixels, compressed, tensors and masks.
    """

    frames: int = 0
    tensors: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0

    def __str__(self) -> str:
        sent = f"{counted(self.frames, 'frame')} and {counted(self.tensors, 'tensor')}"
        return f"{sent} sent, {_size(self.sent_bytes)}; {_size(self.received_bytes)} received"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e3:.0f} kB" if num_bytes < 1e6 else f"{num_bytes / 1e6:.1f} MB"


@dataclass
class WorkerLink:
    """A worker that has a model, and what was sent to it.

    Attributes
    ----------
    server : Any
        The :class:`~napari_sam2.cluster.model_actor.ModelActor` there.
    future : Any
        Keeps it there.
    description : ModelDescription
        Its model.
    digests : set of bytes
        Tensors that it has.
    views : dict
        Windows of frames that it has, by name of the video and number of the frame.
    readable : set of str
        Names of videos whose frames it reads from their files.
    """

    server: Any
    future: Any
    description: ModelDescription
    digests: set[bytes] = field(default_factory=set)
    views: dict[tuple[str, int], list[View]] = field(default_factory=dict)
    readable: set[str] = field(default_factory=set)

    def windows_to_send(self, request: Request) -> list[View]:
        """Choose what of the frame of a request is sent."""
        if request.video.name in self.readable:
            return []
        held = self.views.get((request.video.name, request.frame), [])
        return windows_to_send(request.needed_views, held, request.video.whole)

    def note(self, asked: Request, computed: Computed) -> None:
        """Note what the worker has after a request."""
        self.digests.update(computed.tensors)
        if computed.reads_itself:
            self.readable.add(asked.video.name)

    def note_sent(self, asked: Request) -> None:
        """Note what was sent with a request."""
        self.digests.update(asked.tensors)
        if asked.pixels:
            self.views.setdefault((asked.video.name, asked.frame), []).extend(one.view for one in asked.pixels)

    def forget(self, asked: Request, missing: Missing) -> None:
        """Note that the worker has less than was thought."""
        self.digests.difference_update(missing.digests)
        if missing.pixels:
            self.views.pop((asked.video.name, asked.frame), None)
            self.readable.discard(asked.video.name)


class RemoteCompute:
    """A scheduler of dask whose workers compute for sessions here.

    Parameters
    ----------
    address : str
        ``tls://HOST:PORT``, or ``tcp://HOST:PORT``.
    certificates : Certificates, optional
        Needed for ``tls://``.
    is_insecure : bool
        Allow ``tcp://`` beyond loopback: whoever reaches the port of a scheduler can run code on its workers.

    Attributes
    ----------
    transfers : Transfers
        What travelled so far.
    is_of_session : bool
        A session made the connection, and closes it.

    Raises
    ------
    ImportError
        If the extra ``distributed`` is not installed.
    ClusterError
        If it cannot be reached, or is not trusted.
    """

    def __init__(self, address: str, certificates: Certificates | None = None, is_insecure: bool = False) -> None:
        self.address = address
        self.transfers = Transfers()
        self.is_of_session = False
        self._how = certificates, is_insecure
        self._client: Client | None = connect(address, certificates, is_insecure)
        self._links: dict[tuple[str, str], WorkerLink] = {}

    def __repr__(self) -> str:
        return f"<compute on {self.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the workers drop what they hold."""
        self._links.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def link(self, model: str, device: str) -> WorkerLink:
        """Return the worker that has a model; where there is none, or it was lost, another one loads it.

        Parameters
        ----------
        model : str
            A name, or a file there.
        device : str
            There.

        Raises
        ------
        ClusterError
            If no worker has it, or another version of napari-sam2.
        WorkerLostError
            If the worker is lost meanwhile.
        """
        key, client = (model, device), self._connected()
        if key not in self._links:
            self._links[key] = self._begin(client, model, device)
        return self._links[key]

    def _begin(self, client: Client, model: str, device: str) -> WorkerLink:
        with self._lost_said("a worker"), client.as_current():
            workers = fitting_workers(client, model)
            future = client.submit(ModelActor, model, device, actor=True, pure=False, workers=workers)
            try:
                server = future.result()
            except (FileNotFoundError, ValueError) as error:
                raise ClusterError(f"a worker of {self.address} does not have the model {model}: {error}") from error
            description = server.describe().result()
            reach_directly(client, description.worker)
        if description.software != __version__:
            raise ClusterError(f"a worker of {self.address} has napari-sam2 {description.software}, and this is {__version__}")
        return WorkerLink(server, future, description)

    def _connected(self) -> Client:
        """Return the client; where the connection was lost, a new one."""
        if self._client is None or self._client.status != "running":
            self.close()
            self._client = connect(self.address, *self._how)
        return self._client

    def call(self, model: str, device: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of the package on a worker with a model.

        Raises
        ------
        ClusterError, WorkerLostError
            As :meth:`link`; and whatever the function raises.
        """
        link = self.link(model, device)
        with self._in_use(model, device, link):
            found = link.server.call(function, *arguments, **named).result()
        self._count(arguments, named, found)
        return found

    def call_watched(
        self,
        model: str,
        device: str,
        watcher: Callable[[int, int], bool],
        function: Callable[..., Any],
        *arguments: Any,
        **named: Any,
    ) -> Any:
        """Call a function of the package on a worker with a model, and tell how far it is.

        Parameters
        ----------
        model, device : str
            Which model, where.
        watcher : callable
            Called now and then with how much is done of how much; False asks the function to stop.
        function : callable
            Takes the model and what it reports to, which returns False where it is to stop.
        *arguments, **named
            What it takes besides.

        Raises
        ------
        ClusterError, WorkerLostError
            As :meth:`link`; and whatever the function raises.
        """
        link, name, goes_on = self.link(model, device), secrets.token_hex(8), True
        with self._in_use(model, device, link):
            call = link.server.call_watched(name, function, *arguments, **named)
            while not call.done():
                time.sleep(SECONDS_BETWEEN_REPORTS)
                done, total = link.server.progress(name, goes_on).result()
                goes_on = watcher(done, total)
            found = call.result()
        self._count(arguments, named, found)
        return found

    def _count(self, arguments: Any, named: Any, found: Any) -> None:
        self.transfers.sent_bytes += len(pickle.dumps((arguments, named)))
        self.transfers.received_bytes += len(pickle.dumps(found))

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function of the package on a worker, with a GPU where there is one.

        Raises
        ------
        ClusterError, WorkerLostError
            If no worker can compute, or it is lost meanwhile; and whatever the function raises.
        """
        client = self._connected()
        with self._lost_said("a worker"), client.as_current():
            workers = fitting_workers(client, SMALLEST_MODEL)
            return client.submit(function, *arguments, workers=workers, pure=False).result()

    def compute(self, model: str, device: str, request: Callable[[WorkerLink], Request]) -> Computed:
        """Let a worker do a step of a tracker.

        Parameters
        ----------
        model, device : str
            Which model, where.
        request : callable
            Makes the request for what the worker has; it is made again where that is less than was thought.

        Returns
        -------
        Computed
            What it computed.

        Raises
        ------
        ClusterError, WorkerLostError
            As :meth:`link`; and what a tracker raises.
        """
        link = self.link(model, device)
        with self._in_use(model, device, link):
            while True:
                asked = request(link)
                answer = link.server.compute(asked).result()
                self._count_sent(asked)
                link.note_sent(asked)
                if isinstance(answer, Computed):
                    self.transfers.received_bytes += sum(one.num_bytes for one in answer.tensors.values())
                    link.note(asked, answer)
                    return answer
                link.forget(asked, answer)

    def _count_sent(self, asked: Request) -> None:
        self.transfers.tensors += len(asked.tensors)
        self.transfers.sent_bytes += sum(one.num_bytes for one in asked.tensors.values())
        if asked.pixels:
            self.transfers.frames += 1
            self.transfers.sent_bytes += sum(one.num_bytes for one in asked.pixels)

    @contextlib.contextmanager
    def _in_use(self, model: str, device: str, link: WorkerLink) -> Iterator[None]:
        assert self._client is not None
        try:
            with self._lost_said(link.description.worker), self._client.as_current():
                yield
        except WorkerLostError:
            self._links.pop((model, device), None)
            raise

    @contextlib.contextmanager
    def _lost_said(self, worker: str) -> Iterator[None]:
        try:
            yield
        except WorkerLostError:
            raise
        except Exception as error:
            if not _is_lost(error):
                raise
            raise WorkerLostError(
                f"the connection to {worker} of {self.address}, which computes for this session, was lost: the session is whole, "
                "and the next call goes on with another worker"
            ) from error


def computing_on(compute: str | RemoteCompute | None, device: str | None) -> str | RemoteCompute | None:
    """Return where a session computes: on another machine, or on a device of this one.

    Raises
    ------
    ClusterError
        If both are given, or the other machine cannot be reached.
    ValueError
        If it is neither an address nor a connection.
    """
    if compute is None:
        return device
    if device is not None:
        raise ClusterError("give device or compute, not both: on another machine the worker chooses its device")
    if not isinstance(compute, str | RemoteCompute):
        raise ValueError(f"compute is the address of a scheduler or a RemoteCompute, got {shown(compute)}")
    if isinstance(compute, RemoteCompute):
        return compute
    own = RemoteCompute(compute)
    own.is_of_session = True
    return own


@contextlib.contextmanager
def closed_on_error(where: str | RemoteCompute | None) -> Iterator[None]:
    """Close a connection that a session made, if the session cannot be begun inside a ``with`` block."""
    try:
        yield
    except BaseException:
        if isinstance(where, RemoteCompute) and where.is_of_session:
            where.close()
        raise


def _is_lost(error: Exception) -> bool:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    of_actor = ("Unable to contact Actor's worker", "Worker holding Actor was lost")
    kinds = KilledWorker | CommClosedError | FutureCancelledError | ConnectionError
    return isinstance(error, kinds) or any(text in str(error) for text in of_actor)
