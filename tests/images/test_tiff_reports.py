"""What tifffile reports, collected and kept from people."""

from __future__ import annotations

import logging
import threading

import pytest
import tifffile

from napari_sam2.images.tiff_reports import ENDS_EARLY, OF_METADATA, tiff_reports

LOG = tifffile.logger()


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="napari_sam2")
    return caplog


def of_tifffile(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOG.name]


def test_reports_are_collected_and_people_do_not_see_them(quiet_log: pytest.LogCaptureFixture) -> None:
    with tiff_reports() as reports:
        LOG.warning("corrupted tag list")
        LOG.error("missing data")
        LOG.info("nothing of weight")
    assert [record.getMessage() for record in reports.records] == ["corrupted tag list", "missing data"]
    assert of_tifffile(quiet_log) == []
    # for who looks for them they are in our own log
    ours = [(record.levelname, record.getMessage()) for record in quiet_log.records if record.name.startswith("napari_sam2")]
    assert ours == [("DEBUG", "corrupted tag list"), ("DEBUG", "missing data")]
    LOG.warning("afterwards")
    assert of_tifffile(quiet_log) == ["afterwards"]


def test_reports_of_other_threads_are_theirs(quiet_log: pytest.LogCaptureFixture) -> None:
    with tiff_reports() as reports:
        other = threading.Thread(target=LOG.warning, args=("of another thread",))
        other.start()
        other.join()
    assert reports.records == []
    assert of_tifffile(quiet_log) == ["of another thread"]


@pytest.mark.parametrize("level", [logging.NOTSET, logging.INFO, logging.ERROR, logging.CRITICAL])
def test_the_level_that_people_chose_is_back_when_the_last_thread_is_done(level: int) -> None:
    """One thread begins while another collects, and goes on when it has ended."""
    before, began, ended = LOG.level, threading.Event(), threading.Event()
    texts: list[str] = []

    def collect() -> None:
        with tiff_reports() as reports:
            began.set()
            ended.wait(10)
            LOG.warning("two")
        texts.extend(record.getMessage() for record in reports.records)

    LOG.setLevel(level)
    try:
        with tiff_reports() as reports:
            other = threading.Thread(target=collect)
            other.start()
            began.wait(10)
            LOG.warning("one")
        assert LOG.getEffectiveLevel() <= logging.WARNING
        ended.set()
        other.join()
        assert LOG.level == level
    finally:
        LOG.setLevel(before)
    assert [record.getMessage() for record in reports.records] == ["one"]
    assert texts == ["two"]


def test_an_error_ends_it_too() -> None:
    before = LOG.level, list(LOG.filters)
    with pytest.raises(KeyError), tiff_reports():
        raise KeyError
    assert (LOG.level, LOG.filters) == before


@pytest.mark.parametrize(
    ("message", "level", "ends_early", "is_of_metadata", "has_errors"),
    [
        ("<TiffPage 3> corrupted tag list", logging.WARNING, True, False, False),
        ("invalid page offset 77", logging.ERROR, True, False, True),
        ("OME series contains invalid TiffData index", logging.WARNING, False, False, False),
        ("OME metadata are odd", logging.WARNING, False, True, False),
        ("ParseError: OME metadata", logging.ERROR, False, False, False),
        ("TiffTag 34118 metadata of a vendor", logging.ERROR, False, False, False),
        ("TiffTag 270 cannot be decoded", logging.ERROR, False, True, True),
    ],
)
def test_what_a_report_means(message: str, level: int, ends_early: bool, is_of_metadata: bool, has_errors: bool) -> None:
    with tiff_reports() as reports:
        LOG.log(level, message)
    assert (reports.any_of(ENDS_EARLY), reports.any_of(OF_METADATA)) == (ends_early, is_of_metadata)
    assert reports.has_errors is has_errors
