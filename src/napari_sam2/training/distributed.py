"""Distributed training: a single process, or data-parallel training by Lightning Fabric on one machine or more."""

from __future__ import annotations

from typing import Any, Protocol, cast

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.predictors.device import checked_precision, resolve_device


class ProcessGroup(Protocol):
    """The processes of a training run, from the perspective of one of them."""

    rank: int
    """Index of this process, from 0; process 0 writes the files."""
    world_size: int
    """Number of processes."""
    device: torch.device
    """Device of this process."""

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return a module that averages gradients over all processes and computes in the precision of the run."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        ...

    def mean(self, value: float) -> float:
        """Average a number over all processes; a collective operation, which every process has to call."""
        ...


class SingleProcess:
    """Training in a single process, the usual case; it needs nothing but PyTorch.

    Parameters
    ----------
    device : str or torch.device
        Device; "auto" selects CUDA, else Apple's GPU, else the CPU.
    precision : {"float32", "bfloat16"}
        In which the network computes; weights are float32 always.
    """

    rank = 0
    world_size = 1

    def __init__(self, device: str | torch.device, precision: str = "float32") -> None:
        self.device = resolve_device(device)
        self.precision = checked_precision(precision)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module in the precision of the run."""
        return _in_precision(module, self.precision, self.device)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        loss.backward()

    def mean(self, value: float) -> float:
        """Return the number itself."""
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


class FabricProcessGroup:
    """Data-parallel training by Lightning Fabric; launches the other processes, which run the same command from its beginning.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "auto".
    num_devices : int
        GPUs, or processes on the CPU, per machine.
    num_nodes : int
        Number of machines. With more than one, start the same command on each with ``torchrun``.
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
        """Return the module in the precision of the run, with gradients averaged over all processes."""
        # Not by Fabric's own precision, which converts tensors in all arguments and fails on a frozen dataclass.
        wrapped: nn.Module = self._fabric.setup_module(_in_precision(module, self.precision, self.device))
        return wrapped

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients and average them."""
        self._fabric.backward(loss)

    def mean(self, value: float) -> float:
        """Average a number over all processes."""
        reduced = self._fabric.all_reduce(torch.tensor(float(value), device=self.device), reduce_op="mean")
        return float(cast("Tensor", reduced))


def start_process_group(
    device: str = "auto", num_devices: int = 1, num_nodes: int = 1, precision: str | None = None
) -> ProcessGroup:
    """Start a single process or a distributed run.

    Parameters
    ----------
    device, num_devices, num_nodes
        As for :class:`FabricProcessGroup`; a single process needs no Lightning Fabric.
    precision : {"float32", "bfloat16"}, optional
        bfloat16 on CUDA, else float32, by default.

    Returns
    -------
    ProcessGroup
        The single process, or all of them.

    Raises
    ------
    ImportError, ValueError
        See :class:`FabricProcessGroup`; or if a number is below 1, or there is no such precision.
    """
    if num_devices < 1 or num_nodes < 1:
        raise ValueError(f"at least one device on one machine is needed, got {num_devices} on {num_nodes}")
    precision = precision or ("bfloat16" if resolve_device(device).type == "cuda" else "float32")
    if num_devices * num_nodes == 1:
        return SingleProcess(device, precision)
    return FabricProcessGroup(device, num_devices, num_nodes, precision)
