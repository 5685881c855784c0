"""What people paste into a report: it is right, it names nobody, and it comes whatever is broken."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import napari_sam2
from napari_sam2.cli import info
from napari_sam2.cli.main import main
from napari_sam2.weights import download, registry
from napari_sam2.weights.registry import RELEASED

ROOT = Path(__file__).parents[2]
UNKNOWN = "cannot be found out: "


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home/secretname"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "secretname")
    for name in ("NAPARI_SAM2_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


def fact(name: str) -> str:
    return info.FACTS[name]()


# --- what is printed -----------------------------------------------------------------------------------------------


def test_all_facts_in_a_shell_and_nobody_is_named(home: Path) -> None:
    """Home, user, cache and the folder where people stand are private; napari and Qt are not imported."""
    (home / "secretname work").mkdir()
    environment = os.environ | {"NAPARI_SAM2_CACHE": str(home / "models"), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "secretname"}
    code = "import sys; from napari_sam2.cli.main import main; code = main(['info']); print({'napari', 'qtpy'} & {*sys.modules})"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=home / "secretname work")
    assert done.stderr == ""
    *lines, imported = done.stdout.splitlines()
    assert imported == "set()"
    said = {line[: info._WIDTH].rstrip(): line[info._WIDTH :] for line in lines}
    assert list(said) == list(info.FACTS)
    assert "secretname" not in done.stdout
    assert str(home.parent) not in done.stdout
    assert platform.node() not in done.stdout
    assert not any(text.startswith(UNKNOWN) for text in said.values())
    assert said["napari-sam2"] == napari_sam2.__version__
    assert said["Python"].startswith(f"{platform.python_version()} (CPython, ")
    assert torch.__version__.startswith(said["torch"])  # which lacks the +cu130 of a build from the package index
    assert said["zarr"] == importlib.metadata.version("zarr")
    assert said["threads"].startswith("1 in an operation of torch, ")
    assert "OMP_NUM_THREADS=1, " in said["variables"]
    assert "MKL_NUM_THREADS=(an unusual value)" in said["variables"]
    assert re.fullmatch(r"~/models, not made yet, \d+\.\d GB free", said["cache folder"])
    assert said["released models"] == "0 of 8 downloaded"
    assert re.fullmatch(r"passed: micro loads in \d+ ms and segments a nucleus in \d+ ms on \w+, 1\d\d px .*", said["check"])


def test_every_dependency_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    names = {match[0] for match in (re.match(r"[\w-]+", item) for item in needed) if match}
    assert names - {"napari-sam2"} <= {*info.PACKAGES, *info.QT_BINDINGS}


def test_the_docs_show_lines_that_are_printed() -> None:
    (block,) = re.findall(r"^```text\n(.*?)^```$", (ROOT / "docs/info.md").read_text(), re.MULTILINE | re.DOTALL)
    names = [line[: info._WIDTH].rstrip() for line in block.splitlines() if line != "…"]
    assert names == [name for name in info.FACTS if name in names]
    assert set(info.FACTS) - set(names) == {"napari-sam2", *info.PACKAGES} - {"torch"}


def test_versions() -> None:
    assert info.version_of("numpy") == np.__version__
    assert info.version_of("no-such-distribution") == "not installed"


@pytest.mark.parametrize(
    ("installed", "wanted", "text"),
    [
        ({"PyQt6": "6.11.0"}, None, "PyQt6 6.11.0"),
        ({"PyQt5": "5.15.2", "PySide6": "6.8"}, "pyside6", "PyQt5 5.15.2, PySide6 6.8; QT_API=PySide6"),
        ({}, "secretname", "no Qt is installed; QT_API=(an unusual value)"),
    ],
)
def test_qt(installed: dict[str, str], wanted: str | None, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "version_of", lambda name: installed.get(name, "not installed"))
    monkeypatch.delenv("QT_API", raising=False)
    if wanted:
        monkeypatch.setenv("QT_API", wanted)
    assert fact("Qt") == text


# --- the machine ---------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 64 cores, of which four are usable."""
    monkeypatch.setattr(info, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(info, "_CGROUP", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Some CPU\n")
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "granted"),
    [(None, ""), ("max 100000\n", ""), ("250000 100000\n", ", time of 2.5 cores granted")],
)
def test_cpu(limit: str | None, granted: str, machine: Path) -> None:
    if limit:
        (machine / "cpu.max").write_text(limit)
    assert fact("CPU") == f"Some CPU @ 2.00GHz, 4 of 64 cores usable{granted}"


def test_cpu_without_a_model(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 48.00\n")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert fact("CPU").startswith("aarch64, ")


@pytest.mark.parametrize(("limit", "granted"), [(None, ""), ("max\n", ""), ("4000000000\n", ", 4.0 GB granted")])
@pytest.mark.parametrize("has_psutil", [True, False])
def test_memory(has_psutil: bool, limit: str | None, granted: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if limit:
        (machine / "memory.max").write_text(limit)
    memory = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(total=64e9, available=12.34e9))
    monkeypatch.setitem(sys.modules, "psutil", memory if has_psutil else None)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 15625000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert fact("memory") == ("64.0 GB, 12.3 GB of it available" if has_psutil else "64.0 GB") + granted


def test_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert fact("CUDA") == "none, torch is built for other devices"
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fact("CUDA") == "none found, torch is built for CUDA 12.8"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(name=f"GPU {i}", total_memory=24e9))
    assert fact("CUDA") == "GPU 0 with 24.0 GB, GPU 1 with 24.0 GB, torch is built for CUDA 12.8"


def test_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert fact("MPS") == "none found"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 11_453_251_584)
    assert fact("MPS") == "available, 11.5 GB recommended at most"


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*info.THREAD_VARIABLES, *info.OTHER_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    assert fact("variables") == "OMP_NUM_THREADS not set, GOMP_SPINCOUNT not set, OMP_WAIT_POLICY not set"
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "/home/secretname")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert fact("variables") == (
        "OMP_NUM_THREADS=4,2, GOMP_SPINCOUNT=(an unusual value), OMP_WAIT_POLICY=PASSIVE, CUDA_VISIBLE_DEVICES="
    )


# --- models and their folder ---------------------------------------------------------------------------------------


def test_micro() -> None:
    digest = hashlib.sha256((ROOT / "src/napari_sam2/weights/micro.safetensors").read_bytes()).hexdigest()
    assert re.fullmatch(rf"embedded, \d\.\d MB, SHA-256 {digest[:12]}", fact("micro"))


def test_released_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    assert fact("released models") == "0 of 8 downloaded"
    for name in ("sam2.1_hiera_t", "sam2_hiera_l"):
        with (tmp_path / RELEASED[name].file_name).open("wb") as file:
            file.truncate(RELEASED[name].size_bytes)
    (tmp_path / RELEASED["sam2_hiera_s"].file_name).write_bytes(b"half of it")
    assert fact("released models") == "2 of 8 downloaded: sam2.1_hiera_t, sam2_hiera_l; not the released file: sam2_hiera_s"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (None, "~/.cache/napari-sam2"),
        ("{home}/a/b", "~/a/b"),
        ("~/models", "~/models"),
        ("{home}", "~"),
        ("{home}/of SecretName/models", "set by NAPARI_SAM2_CACHE"),
        ("{home}/../neighbour", "set by NAPARI_SAM2_CACHE"),
        ("~/../neighbour", "set by NAPARI_SAM2_CACHE"),
        ("{home}2", "set by NAPARI_SAM2_CACHE"),
        ("/data/lab of secretname", "set by NAPARI_SAM2_CACHE"),
        ("relative", "set by NAPARI_SAM2_CACHE"),
    ],
)
def test_the_cache_folder(chosen: str | None, shown: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    if chosen:
        monkeypatch.setenv("NAPARI_SAM2_CACHE", chosen.format(home=home))
    assert re.fullmatch(rf"{re.escape(shown)}(, not made yet)?, \d+\.\d GB free", fact("cache folder"))


def test_the_cache_folder_where_there_is_no_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(home))
    monkeypatch.setenv("HOME", "/")
    assert fact("cache folder").startswith("set by NAPARI_SAM2_CACHE, ")


def test_the_default_folder_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home.parent / "scratch"))
    assert fact("cache folder").startswith("the default one, not made yet, ")


# --- the check -----------------------------------------------------------------------------------------------------


def test_the_check_fails_where_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_sam2.predictors.construction.load_weights", lambda model, path: None)
    torch.manual_seed(0)
    assert re.fullmatch(r"FAILED: micro loads .* on \w+, \d+ px where 161 are expected", fact("check"))


# --- whatever is broken --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [OSError(2, "No such file", "/home/secretname/x"), RuntimeError("/home/secretname"), ImportError("secretname")]
)
def test_a_fact_that_cannot_be_found_out_says_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise copy.copy(error)

    monkeypatch.setattr(info, "FACTS", dict.fromkeys(info.FACTS, fail))
    assert main(["info"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [f"{name:<{info._WIDTH}}{UNKNOWN}{type(error).__name__}" for name in info.FACTS]


def test_what_is_broken_is_named_by_its_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged model, a folder of a person who is not there, a torch without threads: the other lines come."""
    damaged = tmp_path / "home/secretname/micro.safetensors"
    damaged.write_bytes(b"no weights")
    monkeypatch.setattr(registry, "EMBEDDED", damaged)
    monkeypatch.setattr(download, "EMBEDDED", damaged)
    monkeypatch.setattr(torch, "get_num_threads", None)
    monkeypatch.setenv("NAPARI_SAM2_CACHE", "~nobody-of-this-name/models")
    assert main(["info"]) == 0
    out, err = capsys.readouterr()
    assert "secretname" not in out + err
    said = {line[: info._WIDTH].rstrip(): line[info._WIDTH :] for line in out.splitlines()}
    assert list(said) == list(info.FACTS)
    unknown = {name: text.removeprefix(UNKNOWN) for name, text in said.items() if text.startswith(UNKNOWN)}
    assert set(unknown) == {"threads", "released models", "cache folder", "check"}
    assert re.fullmatch(r"TypeError in cli/info\.py, line \d+", unknown["threads"])
    assert re.fullmatch(r"RuntimeError in weights/download\.py, line \d+", unknown["cache folder"])
    assert re.fullmatch(r"ValueError in weights/load\.py, line \d+", unknown["check"])


def test_text_of_several_lines_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "FACTS", {"CPU": lambda: "Some CPU  \n with a name\n"})
    assert list(info.facts()) == [("CPU", "Some CPU with a name")]
