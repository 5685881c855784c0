"""When a mask of one click is a proposal."""

from __future__ import annotations

import pytest

from napari_sam2.plugin.reports.reports import DOUBTFUL_IOU, HUGE_SHARE, Proposal


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (Proposal(0.01, 0.9), None),
        (Proposal(HUGE_SHARE, DOUBTFUL_IOU), None),
        (Proposal(0.512, 0.9), "fills 51 % of the frame"),
        (Proposal(1.0, 0.1), "fills 100 % of the frame"),
        (Proposal(0.01, 0.304), "is uncertain (predicted IoU 0.30)"),
    ],
)
def test_why_a_mask_is_to_be_looked_at(proposal: Proposal, reason: str | None) -> None:
    assert proposal.reason == reason
