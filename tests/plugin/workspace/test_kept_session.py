from pathlib import Path

import pytest

from napari_sam2.plugin.reports.reports import SessionsFound
from napari_sam2.plugin.workspace.kept_session import KeptSession


class Offer:
    """An earlier session."""

    path, model = Path("a.sam2"), "micro"


@pytest.fixture
def kept():
    return KeptSession()


def test_an_offer_is_continued_or_left(kept):
    assert not kept.has_work
    kept.continue_offer()
    assert kept.continued is None
    kept.found(SessionsFound(Offer()), has_session=False)
    assert kept.has_work
    kept.continue_offer()
    assert (kept.offer, kept.continued, kept.is_reopening) == (None, Offer.path, False)
    kept.opened()
    assert not kept.has_work
    kept.found(SessionsFound(Offer()), has_session=False)
    kept.begin_anew()
    assert not kept.has_work


def test_a_session_that_is_open_is_not_asked_about_another(kept):
    kept.now_saved_to(Path("mine.sam2"))
    kept.found(SessionsFound(Offer(), is_chosen=True), has_session=True)
    assert (kept.offer, kept.saved_to) == (None, Path("mine.sam2"))


def test_a_session_of_an_earlier_widget_is_reopened_or_given_up(kept):
    kept.saved_to = Offer.path
    kept.found(SessionsFound(Offer(), is_chosen=True), has_session=False)
    kept.continue_offer()
    assert kept.is_reopening
    kept.not_continued()
    assert not kept.has_work
    kept.now_saved_to(Path("b.sam2"))
    kept.not_continued()
    assert kept.saved_to == Path("b.sam2"), "nothing was to be continued"


def test_why_nothing_is_kept_is_news_once(kept):
    assert kept.now_not_kept("the disk is full")
    assert not kept.now_not_kept("the disk is full")
    kept.now_saved_to(Path("c.sam2"))
    assert kept.not_kept == ""
    assert kept.now_not_kept("the disk is full")
