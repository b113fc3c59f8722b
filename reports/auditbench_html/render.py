"""From a run to the bytes of report.html."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from auditbench.messages import Templates, load_messages, merge_catalogues
from auditbench.run import AuditRun
from auditbench_html import draw
from auditbench_html.markup import data_uri, number, plain, to_markup
from auditbench_html.shortening import short_script, short_style
from auditbench_html.view.figures import Figure
from auditbench_html.view.page import Report
from auditbench_html.view.report import build_report
from auditbench_html.view.text import EMPTY, Words, bare

PACKAGE = "auditbench_html"
FALLBACK = "table"


def render_report(run: AuditRun, *, language: str = "en") -> bytes:
    """The report of a run as one HTML file; the same run gives the same bytes.

    A language without a catalogue gives an English page that says so in its `lang`.
    """
    found = load_messages(PACKAGE)
    language = language if language in found else "en"
    complete: dict[str, Templates] = {name: {**found["en"], **own} for name, own in found.items()}
    templates = complete[language]
    report = build_report(run, templates, language=language, others=complete)
    return render_page(report, Words(catalogue=merge_catalogues(language, templates))).encode("utf-8")


def render_page(report: Report, say: Words) -> str:
    """The page of a report, with the policy that allows exactly the style and the scripts written into it."""
    environment = _environment()
    style = _static("report.css") + environment.get_template("page.css").render(footing=report.footing)
    theme, script = _static("theme.js"), _static("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(theme)} {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return environment.get_template("page.html").render(
        report=report,
        t=say.say,
        policy=policy,
        style=Markup(style),  # noqa: S704 - our own file
        theme=Markup(theme),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
    )


def figure_template(figure: Figure) -> str:
    """Template of a figure; one without a drawing of its own is shown as its table."""
    name = f"figures/{figure.kind}.html"
    return name if name in _drawings() else f"figures/{FALLBACK}.html"


def figure_body(figure: Figure) -> object:
    """What the template of a figure draws."""
    return figure.body if f"figures/{figure.kind}.html" in _drawings() else figure.data


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=to_markup,
        keep_trailing_newline=False,
    )
    environment.filters.update(plain=plain, num=number, data_uri=data_uri, bare=bare)
    drawing = (
        "at",
        "percent",
        "extent",
        "gate_place",
        "gate_beyond",
        "x_of",
        "y_of",
        "line_path",
        "spark_path",
        "band_path",
        "bin_width",
        "end_labels",
        "labelled_points",
        "limit_ends",
    )
    environment.globals.update({name: getattr(draw, name) for name in (*drawing, "hundred_path", "swarm_paths")})
    environment.globals.update(figure_template=figure_template, figure_body=figure_body, EMPTY=EMPTY, chart=draw)
    return environment


@cache
def _drawings() -> frozenset[str]:
    return frozenset(name for name in _environment().list_templates() if name.startswith("figures/"))


@cache
def _static(name: str) -> str:
    content = (resources.files(PACKAGE) / "static" / name).read_text("utf-8")
    return short_style(content) if name.endswith(".css") else short_script(content)


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
