"""Packages of extras that have no wheels for the latest Python: what needs them is not tried there."""

from __future__ import annotations

import importlib.util

import pytest

HAS_GEFF, HAS_HIGHDICOM = (importlib.util.find_spec(name) is not None for name in ("geff", "highdicom"))
HAS_PYJPEGLS = importlib.util.find_spec("jpeg_ls") is not None
needs_geff = pytest.mark.skipif(not HAS_GEFF, reason="geff is not installed")
needs_highdicom = pytest.mark.skipif(not HAS_HIGHDICOM, reason="highdicom is not installed")
needs_pyjpegls = pytest.mark.skipif(not HAS_PYJPEGLS, reason="pyjpegls, which writes JPEG-LS, is not installed")
