from napari_sam2.plugin.reports.sample_view import SampleView
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.session_state import StateChange


def test_the_view_follows_the_session():
    view, heard = SampleView(), []
    view.changed.connect(lambda: heard.append(view.sample))
    sample = ErrorSample(0, 9, ((1, 2),), (None,))
    view.show(StateChange(error_samples={0: sample}))
    view.show(StateChange({1: None}))
    view.reset(StateChange(error_samples={0: sample}))
    view.show(StateChange(error_samples={0: None}))
    view.reset(StateChange())
    assert heard == [sample, None]
