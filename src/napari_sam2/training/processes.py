"""One process, or several that learn together, on one machine or more: the seam between the trainer and Lightning Fabric."""

from __future__ import annotations

from typing import Any, Protocol, cast

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.predictors.device import checked_precision, resolve_device


class Processes(Protocol):
    """What the trainer asks of those it learns with."""

    rank: int
    """Number of this process, from 0; the first one writes the files."""
    world_size: int
    """How many there are."""
    device: torch.device
    """Where this one computes."""

    def wrap(self, module: nn.Module) -> nn.Module:
        """Make a module whose backward pass averages gradients over all processes, and whose forward pass has the precision."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        ...

    def mean(self, value: float) -> float:
        """Average a number over all processes; they all have to ask."""
        ...


class OneProcess:
    """The usual case; needs nothing but PyTorch.

    Parameters
    ----------
    device : str or torch.device
        Where to compute; "auto" takes CUDA, else Apple's GPU, else the CPU.
    precision : {"float32", "bfloat16"}
        In which the network computes; weights are float32 always.
    """

    rank = 0
    world_size = 1

    def __init__(self, device: str | torch.device, precision: str = "float32") -> None:
        self.device = resolve_device(device)
        self.precision = checked_precision(precision)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Give the module its precision."""
        return _in_precision(module, self.precision, self.device)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        loss.backward()

    def mean(self, value: float) -> float:
        """Return the number."""
        return value


def _in_precision(module: nn.Module, precision: str, device: torch.device) -> nn.Module:
    return module if precision == "float32" else _Autocast(module, device.type)


class _Autocast(nn.Module):
    def __init__(self, module: nn.Module, device_type: str) -> None:
        super().__init__()
        self.module = module
        self.device_type = device_type

    def forward(self, *arguments: Any) -> Any:
        with torch.autocast(self.device_type, torch.bfloat16):
            return self.module(*arguments)


class SeveralProcesses:
    """Data-parallel training by Lightning Fabric; starts the other processes, which run the same command from its beginning.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "auto".
    num_devices : int
        GPUs, or processes on the CPU, of each machine.
    num_nodes : int
        Machines. With more than one, start the same command on each with ``torchrun``.
    precision : {"float32", "bfloat16"}
        In which the network computes.

    Raises
    ------
    ImportError
        If Lightning Fabric is not installed.
    ValueError
        If there are not so many GPUs, or the device cannot be shared in this way.
    """

    def __init__(self, device: str, num_devices: int, num_nodes: int = 1, precision: str = "float32") -> None:
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.strategies.ddp import DDPStrategy
        except ImportError as error:
            raise ImportError("training with several processes needs the extra: pip install 'napari-sam2[train]'") from error
        kind = resolve_device(device).type
        if kind not in ("cpu", "cuda"):
            raise ValueError(f"several processes can share GPUs by CUDA or a CPU, not {kind}")
        if kind == "cuda" and num_devices > torch.cuda.device_count():
            raise ValueError(f"there are {torch.cuda.device_count()} GPUs here, not {num_devices}")
        self.precision = checked_precision(precision)
        self._fabric = Fabric(
            accelerator=kind,
            devices=num_devices,
            num_nodes=num_nodes,
            # A step on whole images does not use the memory, a step on dense targets not the decoder.
            strategy=DDPStrategy(find_unused_parameters=True),
        )
        self._fabric.launch()
        self.rank: int = self._fabric.global_rank
        self.world_size: int = self._fabric.world_size
        self.device: torch.device = self._fabric.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """Give the module its precision, and its gradients the mean over all processes."""
        # Not by Fabric's own precision: that looks for tensors in all arguments, and a frozen dataclass is too much for it.
        wrapped: nn.Module = self._fabric.setup_module(_in_precision(module, self.precision, self.device))
        return wrapped

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients and average them."""
        self._fabric.backward(loss)

    def mean(self, value: float) -> float:
        """Average a number over all processes."""
        reduced = self._fabric.all_reduce(torch.tensor(float(value), device=self.device), reduce_op="mean")
        return float(cast("Tensor", reduced))


def start_processes(device: str = "auto", num_devices: int = 1, num_nodes: int = 1, precision: str | None = None) -> Processes:
    """Start as many processes as asked for.

    Parameters
    ----------
    device, num_devices, num_nodes
        As for :class:`SeveralProcesses`; one in all needs no Lightning Fabric.
    precision : {"float32", "bfloat16"}, optional
        bfloat16 on CUDA, else float32, by default.

    Returns
    -------
    Processes
        What this one knows of all.

    Raises
    ------
    ImportError, ValueError
        See :class:`SeveralProcesses`; or if there is not even one device on one machine, or no such precision.
    """
    if num_devices < 1 or num_nodes < 1:
        raise ValueError(f"at least one device on one machine is needed, got {num_devices} on {num_nodes}")
    precision = precision or ("bfloat16" if resolve_device(device).type == "cuda" else "float32")
    if num_devices * num_nodes == 1:
        return OneProcess(device, precision)
    return SeveralProcesses(device, num_devices, num_nodes, precision)
