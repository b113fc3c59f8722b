"""Drawn images of methods that work on regions: the numbers beside the map are those of regions, not of their pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from auditbench.findings import Message
from auditbench.masking import superpixels
from auditbench.results import AnalysisResult, ImageOverlay
from auditbench_html.render import render_report
from auditbench_html.view.regions import region_sums
from tests.html_every_block import every_block_run
from tests.html_page import parse


def shared_out(contributions: npt.NDArray[np.float64], side: int = 12) -> npt.NDArray[np.float32]:
    """The map of regions of a grid, each pixel with an equal share of its region, as runs hold it."""
    owners = superpixels(np.zeros((1, 1, side, side)), method="grid", count=len(contributions)).groups[0].numpy()
    sizes = np.bincount(owners.ravel())
    return (contributions / sizes)[owners].astype(np.float32)


def numbers(values: npt.NDArray[np.float32], language: str = "en") -> dict[str, float]:
    """The data of the figure."""
    block = ImageOverlay(name="a", title=Message(key="t"), row_id="1", image=None, values=values, unit="logit")
    result = AnalysisResult(analyzer="odd", topic="odd", image_overlays=(block,))
    run = dataclasses.replace(every_block_run(), results=(result,), gates=())
    table = parse(render_report(run, language=language)).one("section", id="odd").every("table")[-1]
    rows = [row.every("th") + row.every("td") for row in table.every("tbody")[0].every("tr")]
    return {name.text: float(value.text.replace("\N{MINUS SIGN}", "-")) for name, value in rows}


@pytest.mark.parametrize(
    ("language", "names"),
    [
        (
            "en",
            ["Smallest contribution of a region", "Largest contribution of a region"],
        ),
        ("zh-CN", ["区域的最小贡献", "区域的最大贡献"]),
    ],
)
def test_numbers_of_regions_are_sums_over_their_pixels(language: str, names: list[str]) -> None:
    contributions = np.array([0.5, -0.25, 1.25, 0.75, -1.5, 0.125, 2.0, -0.625, 0.375])
    found = numbers(shared_out(contributions), language)
    assert list(found) == names
    expected = [contributions.min(), contributions.max()]
    assert list(found.values()) == pytest.approx(expected, abs=5e-4)


def test_pixels_with_values_of_their_own_stay_pixels() -> None:
    values = np.random.default_rng(3).normal(size=(12, 12)).astype(np.float32)
    values[:6] = 0.0
    assert region_sums(values) is None
    assert list(numbers(values).values()) == pytest.approx([values.min(), values.mean(), values.max()], abs=5e-4)


def test_a_region_that_contributes_nothing_is_the_smallest_of_those_that_raise() -> None:
    found = numbers(shared_out(np.array([0.5, 0.0, 1.25, 0.75])))
    assert list(found.values()) == pytest.approx([0.0, 1.25], abs=5e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_map_of_one_value_has_no_regions(value: float) -> None:
    assert region_sums(np.full((4, 4), value)) is None


@pytest.mark.parametrize("shape", [(12,), (12, 12, 3)])
def test_values_that_are_no_map_are_told_in_numbers(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    assert list(numbers(values).values()) == pytest.approx([values.min(), values.mean(), values.max()], abs=5e-4)
