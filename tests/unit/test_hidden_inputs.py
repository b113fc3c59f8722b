"""What shows an input is taken out of a result; contributions stay."""

from __future__ import annotations

import numpy as np

from auditbench.findings import Message
from auditbench.results import AnalysisResult, ImageOverlay, SeriesAttribution, TokenAttribution
from auditbench.worker.hidden_inputs import without_inputs

TITLE = Message(key="toy.title")
VALUES = np.array([[0.5, -0.25]])
RESULT = AnalysisResult(
    image_overlays=(
        ImageOverlay(name="i", title=TITLE, row_id="1", image=np.ones((1, 2)), values=VALUES, unit="logit"),
    ),
    token_attributions=(
        TokenAttribution(
            name="t", title=TITLE, row_id="1", tokens=("Anna ", "left.\n"), values=(0.5, -0.25), unit="logit"
        ),
    ),
    series_attributions=(
        SeriesAttribution(
            name="s", title=TITLE, row_id="1", channels=("x",), series=np.ones((1, 2)), values=VALUES, unit="logit"
        ),
    ),
)


def test_images_words_and_series_go_and_contributions_stay() -> None:
    found = without_inputs(RESULT)
    assert found.image_overlays[0].image is None
    assert found.series_attributions[0].series is None
    assert found.token_attributions[0].tokens == ("\u2022\u2022\u2022\u2022 ", "\u2022\u2022\u2022\u2022\u2022\n")
    assert found.token_attributions[0].values == (0.5, -0.25)
    np.testing.assert_array_equal(found.image_overlays[0].values, VALUES)
    np.testing.assert_array_equal(found.series_attributions[0].values, VALUES)


def test_what_was_given_is_left_as_it_was() -> None:
    without_inputs(RESULT)
    assert RESULT.token_attributions[0].tokens == ("Anna ", "left.\n")
    assert RESULT.image_overlays[0].image is not None
