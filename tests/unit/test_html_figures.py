from __future__ import annotations

import base64
import dataclasses
import io
import re
import struct
import typing
import zlib
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auditbench.findings import Message
from auditbench.results import AnalysisResult, ImageOverlay, Matrix, Metric
from auditbench_html.draw import LABEL_HEIGHT, dots_path
from auditbench_html.render import render_report
from auditbench_html.shortening import short_script, short_style
from auditbench_html.view.pictures import LARGEST_PICTURE, fitting_png, of_both, of_image, of_values, png, smaller
from auditbench_html.view.tokens import shown
from tests.html_every_block import every_block_run
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse
from tests.html_results import interval

FIELDS_WITHOUT_FIGURE = {
    "analyzer", "topic", "status", "reason", "required", "version", "parameters", "methods", "notes", "findings",
}  # fmt: skip


@pytest.fixture(scope="module")
def tree() -> Element:
    return parse(render_report(every_block_run()))


def figure(tree: Element, title: str) -> Element:
    return next(f for f in tree.every("figure") if any(head.text == title for head in f.every("h3")))


def drawn(tree: Element, title: str) -> Element:
    """The figures of the methods on one output of a row."""
    return next(
        figures
        for case in tree.every("details", lambda e: "drawn" in e.classes)
        for head, figures in pairwise(case.every("", lambda e: e.name == "h5" or "cols" in e.classes))
        if head.text == title
    )


def decoded(file: bytes) -> npt.NDArray[np.uint8]:
    """Pixels of a PNG file of 8 bits a colour, read chunk by chunk; filters 0 and 2 alone."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    data, place, size = b"", 8, (0, 0)
    while place < len(file):
        length, name = struct.unpack(">I4s", file[place : place + 8])
        content = file[place + 8 : place + 8 + length]
        assert struct.unpack(">I", file[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + content)
        if name == b"IHDR":
            size = struct.unpack(">II", content[:8])
        data += content if name == b"IDAT" else b""
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(size[1], 1 + 3 * size[0])
    assert set(rows[:, 0]) <= {2}
    return np.cumsum(rows[:, 1:].astype(np.uint64), axis=0).astype(np.uint8).reshape(size[1], size[0], 3)


def test_the_fixture_holds_every_block_of_a_result() -> None:
    blocks = {field.name for field in dataclasses.fields(AnalysisResult)} - FIELDS_WITHOUT_FIGURE
    held = {name for name in blocks for result in every_block_run().results if getattr(result, name)}
    assert held == blocks


def test_every_body_of_a_figure_has_one_drawing() -> None:
    from auditbench_html.view import figures

    files = {file.name for file in (resources.files("auditbench_html") / "templates" / "figures").iterdir()}
    assert len(files) == len(typing.get_args(figures.Body))
    assert {"overlay.html", "tokens.html", "heat.html", "chart.html", "scatter.html", "changes.html"} <= files


def test_every_figure_has_a_title_and_a_drawing(tree: Element) -> None:
    for item in tree.every("figure"):
        assert item.one("figcaption").every("", lambda e: e.name in ("h3", "h6"))[0].text
        assert item.every("", lambda e: e.name in ("table", "svg", "img", "mark"))


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_gives_back_its_pixels(pixels: npt.NDArray[np.uint8]) -> None:
    assert (decoded(png(pixels)) == pixels).all()


def test_png_is_read_by_another_library() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    assert (np.asarray(image.open(io.BytesIO(png(pixels)))) == pixels).all()


@pytest.mark.parametrize("shape", [(40, 30, 3), (700, 900, 3), (2000, 3, 3)])
def test_pictures_are_made_smaller_until_they_fit(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    file, factor = fitting_png(noise)
    assert len(file) <= LARGEST_PICTURE
    assert decoded(file).shape[:2] == tuple(-(-side // factor) for side in shape[:2])
    assert (factor == 1) == (max(shape) < 100)


def test_smaller_pictures_are_means_of_blocks() -> None:
    assert smaller(np.arange(6.0).reshape(2, 3), 2).tolist() == [[(0 + 1 + 3 + 4) / 4, (2 + 2 + 5 + 5) / 4]]


def test_colours_of_contributions_do_not_depend_on_a_theme() -> None:
    pixels = of_values(np.array([[0.0, 1.0, -1.0, 9.0, np.nan]]), 1.0)
    assert pixels[0].tolist() == [[255, 255, 255], [185, 80, 10], [26, 104, 173], [185, 80, 10], [255, 255, 255]]
    grey = of_both(np.zeros((1, 1)), np.zeros((1, 1)), 1.0)[0, 0]
    assert len(set(grey.tolist())) == 1
    assert of_image(np.array([[0.0, 2.0, np.nan]]))[0].tolist() == [[0, 0, 0], [255, 255, 255], [0, 0, 0]]


def test_image_attribution_shows_input_map_and_both(tree: Element) -> None:
    pictures = drawn(tree, "Pixels that matter").every("img")
    assert len(pictures) == 3
    for picture in pictures:
        head, _, content = picture.attributes["src"].partition(",")
        assert head == "data:image/png;base64"
        assert len(content) <= 60_000
        assert decoded(base64.b64decode(content)).shape == (24, 24, 3)
        assert picture.attributes["alt"]
    (block,) = next(r for r in every_block_run().results if r.analyzer == "blocks").image_overlays
    first = decoded(base64.b64decode(pictures[0].attributes["src"].partition(",")[2]))
    assert np.abs(first / 255 - np.asarray(block.image)).max() < 1 / 255


def test_images_and_texts_stay_unshown_unless_the_audit_file_asks() -> None:
    tree = parse(render_report(every_block_run(raw_inputs=False)))
    assert len(drawn(tree, "Pixels that matter").every("img")) == 1
    marked = drawn(tree, "A text with a line end")
    assert "Fine" not in marked.text
    assert "•••" in marked.text
    assert "images and texts" not in tree.one("footer").text


def test_foot_says_that_images_and_texts_are_shown(tree: Element) -> None:
    assert "Inputs of cases, images and texts are shown as they are" in tree.one("footer").text


def test_image_of_another_shape_than_its_values_is_a_table() -> None:
    run = every_block_run()
    block = ImageOverlay(
        name="image", title=Message(key="odd"), row_id="1", image=np.zeros((3, 3)), values=np.ones((2, 2)), unit="logit"
    )
    result = AnalysisResult(analyzer="odd", topic="odd", image_overlays=(block,))
    section = parse(render_report(dataclasses.replace(run, results=(result,), gates=()))).one("section", id="odd")
    assert not section.every("img")
    assert "+1.0000" in section.text


def test_marked_text_keeps_its_white_space_and_shows_what_is_hidden(tree: Element) -> None:
    text = drawn(tree, "A text with a line end").one("p", **{"class": "tokens"})
    raw = "".join(_texts(text))
    assert raw == "Fine day\nba⟨U+202E⟩d end"
    assert [mark.attributes["class"] for mark in text.every("mark")] == ["u2", "d3", "u1"]
    assert shown("a\r\nb\tc", hidden=True) == "•\n•\t•"


def test_matrix_marks_numbers_below_zero_apart(tree: Element) -> None:
    cells = figure(tree, "Correlation of inputs").every("td", lambda cell: "data-v" in cell.attributes)
    assert [(cell.text, cell.attributes["class"]) for cell in cells[:2]] == [("1", "q3"), ("−0.8", "m3")]


def test_one_colour_is_above_zero_everywhere() -> None:
    style = (resources.files("auditbench_html") / "static" / "report.css").read_text("utf-8")
    for above, below in ((".q{}", ".m{}"), (".tokens .u{}", ".tokens .d{}")):
        for depth in (1, 2, 3):
            assert f"{above.format(depth)} {{ background: var(--up-{depth}); }}" in style
            assert f"{below.format(depth)} {{ background: var(--down-{depth}); }}" in style
    for depth in (1, 2, 3):
        assert f".h-u{depth} {{ fill: var(--up-{depth}); }}" in style
        assert f".h-d{depth} {{ fill: var(--down-{depth}); }}" in style
    assert ".f-up { fill: var(--up); } .f-down { fill: var(--down); }" in style
    up, down = (re.search(rf"--{side}: #(\w{{6}});", style) for side in ("up", "down"))
    assert up is not None
    assert down is not None
    drawn_up, drawn_down = of_values(np.array([[1.0, -1.0]]), 1.0)[0]
    assert bytes.fromhex(up[1]) == bytes(drawn_up)
    assert bytes.fromhex(down[1]) == bytes(drawn_down)


def test_matrix_of_signed_numbers_has_a_key(tree: Element) -> None:
    keys = figure(tree, "Correlation of inputs").one("ul", **{"class": "keys"})
    assert [key.text for key in keys.every("li")] == ["above zero", "below zero"]
    assert [key.every("rect")[0].attributes["class"] for key in keys.every("li")] == ["h-u3", "h-d3"]


def test_counts_lie_on_no_side_of_zero(tree: Element) -> None:
    drawing = next(f for f in tree.every("figure") if "predicted wrongly" in f.text)
    cells = drawing.every("td", lambda cell: "data-v" in cell.attributes)
    assert {cell.attributes["class"][0] for cell in cells} == {"s"}
    assert not drawing.every("ul", lambda e: "keys" in e.classes)


def test_numbers_of_many_columns_have_the_places_of_the_largest() -> None:
    names = tuple(f"word {place}" for place in range(6))
    values = ((2.6251, -0.058984, 0.000486, 1.0, -0.3, None),)
    block = Matrix(
        name="m", title=Message(key="m"), row_label=Message(key="r"), column_label=Message(key="c"), rows=("a",),
        columns=names, values=values,
    )  # fmt: skip
    result = AnalysisResult(analyzer="odd", topic="odd", matrices=(block,))
    run = dataclasses.replace(every_block_run(), results=(result,), gates=())
    cells = parse(render_report(run)).one("section", id="odd").every("figure")[0].one("table").every("td")[1:]
    assert [cell.text for cell in cells] == [
        "2.625",
        "\N{MINUS SIGN}0.059",
        "0.000",
        "1.000",
        "\N{MINUS SIGN}0.300",
        "—",
    ]
    assert cells[2].attributes["data-v"] == "0.000486"


def test_matrix_too_large_for_numbers_lists_its_largest(tree: Element) -> None:
    drawing = figure(tree, "Correlation of many inputs")
    shaded, listed = drawing.every("table")
    assert len(shaded.every("td", lambda cell: "data-v" in cell.attributes)) == 400
    values = [abs(float(cell.attributes["data-v"])) for cell in listed.every("td") if "data-v" in cell.attributes] or [
        abs(float(row.every("td")[-1].text.replace("−", "-"))) for row in listed.every("tbody")[0].every("tr")
    ]
    assert len(values) == 50
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("size", [40, 41])
def test_matrix_is_cut_at_forty(size: int) -> None:
    names = tuple(map(str, range(size)))
    block = Matrix(
        name="m", title=Message(key="m"), row_label=Message(key="r"), column_label=Message(key="c"), rows=names,
        columns=names, values=tuple(tuple(float(i == j) for j in range(size)) for i in range(size)),
    )  # fmt: skip
    result = AnalysisResult(analyzer="odd", topic="odd", matrices=(block,))
    run = dataclasses.replace(every_block_run(), results=(result,), gates=())
    drawing = parse(render_report(run)).one("section", id="odd").every("figure")[0]
    assert len(drawing.every("table")[0].every("td", lambda cell: "data-v" in cell.attributes)) == 1600
    assert ("Showing 40 of 41" in drawing.text) == (size == 41)


def test_dose_shows_bands_the_limit_where_it_holds_and_names_at_the_lines(tree: Element) -> None:
    drawing = figure(tree, "Accuracy under noise")
    chart = drawing.one("svg", **{"class": "chart"})
    assert len(chart.every("path", lambda path: "band" in path.classes)) == 2
    (limit,) = chart.every("line", lambda line: "ref-l" in line.classes)
    middle = (float(limit.attributes["x1"]) + float(limit.attributes["x2"])) / 2
    ticks = {
        text.text: float(text.attributes["x"]) for text in chart.every("text") if text.attributes.get("y") == "254"
    }
    assert middle == pytest.approx(ticks["0.2"], abs=0.1)
    labels = chart.every("text", lambda text: "end" in text.classes)
    assert {label.text for label in labels} == {"gaussian", "salt"}
    heights = sorted(float(label.attributes["y"]) for label in labels)
    assert heights[1] - heights[0] >= LABEL_HEIGHT


def test_percentiles_show_the_limit_on_the_row_that_it_is_about(tree: Element) -> None:
    rows = figure(tree, "Time of a call").one("table").every("tr", lambda row: bool(row.every("svg")))
    limits = [len(row.every("use", lambda use: "ref-l" in use.classes)) for row in rows[:2]]
    assert limits == [0, 1]


def test_limits_are_drawn_for_gates_that_give_fewer_labels_than_their_metric_has() -> None:
    run = every_block_run()
    latency = Metric(name="latency_p95", value=4.0, unit="ms", n=100, no_interval="exact", where={"batch": "32"})
    results = tuple(
        dataclasses.replace(result, metrics=(*result.metrics, latency)) if result.analyzer == "blocks" else result
        for result in run.results
    )
    bare = tuple(
        dataclasses.replace(gate, where={}) if gate.metric.startswith("blocks.") else gate for gate in run.gates
    )
    pages = [
        parse(render_report(dataclasses.replace(run, results=results, gates=gates))) for gates in (run.gates, bare)
    ]
    for title, mark in (("Accuracy under noise", "line"), ("Time of a call", "use")):
        found = [
            [part.attributes for part in figure(page, title).every(mark, lambda part: "ref-l" in part.classes)]
            for page in pages
        ]
        assert found[0] == found[1] != [], title


def test_measures_carry_the_limit_of_a_gate_that_gives_fewer_labels() -> None:
    metric = Metric(name="auc", value=0.9, n=50, interval=interval(0.86, 0.94), where={"fold": "3"})
    result = AnalysisResult(analyzer="performance", topic="performance", metrics=(metric,))
    drawn = []
    for where in ({"fold": "3"}, {}):
        decision = gate("auc", "performance.auc", "pass", where=where, minimum=0.85, value=0.9, low=0.86, high=0.94)
        run = dataclasses.replace(income_run(), results=(result,), gates=(decision,), cases=(), waivers=())
        drawn.append(figure(parse(render_report(run)), "Performance: the gated measure lies inside its limit"))
    assert drawn[0] == drawn[1]
    assert "G01 · limit ≥ 0.85" in drawn[1].text


def test_learning_marks_the_epoch_that_was_kept(tree: Element) -> None:
    chart = tree.one("section", id="facts").one("svg", **{"class": "chart"})
    (line,) = chart.every("line", lambda line: "ref-l" in line.classes)
    ticks = {
        text.text: float(text.attributes["x"]) for text in chart.every("text") if text.attributes.get("y") == "254"
    }
    per_epoch = (ticks["20"] - ticks["10"]) / 10
    assert float(line.attributes["x1"]) == pytest.approx(ticks["20"] - per_epoch, abs=0.1)


def test_reading_help_stands_once_and_later_figures_refer_to_it(tree: Element) -> None:
    helps = [p.text for p in tree.every("p", lambda p: p.classes == {"prose"}) if len(p.text) > 80]
    assert len(helps) == len(set(helps))
    links = [a for p in tree.every("p", lambda p: "again" in p.classes) for a in p.every("a")]
    assert links
    for link in links:
        target = next(e for e in tree.every() if e.attributes.get("id") == link.attributes["href"][1:])
        assert target.every("p", lambda p: p.classes == {"prose"})


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(3, 35)), min_size=1, max_size=200))
def test_dots_lie_within_half_a_unit_of_their_place(places: list[tuple[float, int]]) -> None:
    x = y = 0.0
    marks = re.findall(r"m(-?\d+)(?: |(?=-))(-?\d+)h0", dots_path(places))
    assert "".join(f"m{a}{'' if b[0] == '-' else ' '}{b}h0" for a, b in marks) == dots_path(places)
    for (step, rise), (wanted, height) in zip(marks, places, strict=True):
        x, y = x + float(step), y + float(rise)
        assert abs(x - wanted) <= 0.5
        assert y == height


@pytest.mark.parametrize(
    ("written", "short"),
    [
        ("/* a, b */ .a > .b, .c { color: red; }\n", ".a>.b,.c{color:red}"),
        (".a :not(b) { width: calc(1px + 2px) }", ".a :not(b){width:calc(1px + 2px)}"),
        ('.a::after { content: "a,  b: {" ; }', '.a::after{content:"a,  b: {"}'),
        ("@media (min-width: 1px) { .a { margin: 0 -1px } }", "@media (min-width:1px){.a{margin:0 -1px}}"),
    ],
)
def test_style_loses_blanks_and_nothing_else(written: str, short: str) -> None:
    assert short_style(written) == short


def test_script_loses_indentation_and_lines_of_comment() -> None:
    assert short_script("// why\n  let a = 1; // kept\n\n  run(a);\n") == "let a = 1; // kept\nrun(a);"


def _texts(element: Element) -> list[str]:
    parts: list[Any] = element.parts
    return [text for part in parts for text in ([part] if isinstance(part, str) else _texts(part))]
