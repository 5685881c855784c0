"""The sentence where the extra is missing."""

from __future__ import annotations

import importlib.util

import pytest

from napari_sam2.cluster.refusal import check_extra


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    check_extra("batch", "json")
    with pytest.raises(ImportError, match=r"^batch needs an extra: pip install 'napari-sam2\[distributed\]'$"):
        check_extra("batch", "no_such_module")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="--slurm needs an extra"):
        check_extra("--slurm")
