"""Texts that try to be markup, script or style, in every slot of a record, in a real browser: they stay texts."""

from __future__ import annotations

import functools
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench_html.render import render_report
from tests.hostile_run import LANGUAGES, hostile_run
from tests.hostile_texts import PAGE, ROOM, TERMINAL, packed

pytestmark = pytest.mark.browser
WATCH = """
window.broken = [];
addEventListener('securitypolicyviolation', (event) => broken.push(`${event.effectiveDirective} ${event.blockedURI}`));
addEventListener('error', (event) => broken.push(`error ${event.message}`), true);
"""
# Every element with the names of its attributes, and every attribute that could act or lead somewhere.
INVENTORY = """() => {
  const found = { elements: [], acting: [], lost: [], twice: [], broken: window.broken, unseen: [] };
  const ids = new Set();
  const ours = /^(#|$|data:image\\/png;base64,[A-Za-z0-9+\\/=]+$)/;
  for (const node of document.querySelectorAll('*')) {
    found.elements.push(`${node.namespaceURI} ${node.localName} ${node.getAttributeNames().sort().join(' ')}`);
    if (node.id && ids.has(node.id)) found.twice.push(node.id);
    ids.add(node.id);
    for (const { name, value } of node.attributes) {
      const leads = ['href', 'xlink:href', 'src', 'srcset', 'action', 'formaction', 'data', 'poster', 'background'].includes(name);
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc' || (leads && !ours.test(value)))
        found.acting.push(`${node.localName} ${name}=${value}`);
      if (/[\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}]/u.test(value)) found.unseen.push(`${name}=${value}`);
    }
  }
  for (const node of document.querySelectorAll('[href]')) {
    const name = node.getAttribute('href').slice(1);
    if (!document.getElementById(name)) found.lost.push(name);
  }
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const text = words.currentNode;
    if (text.parentElement.localName !== 'script' && /[\\p{Cf}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f]/u.test(text.data))
      found.unseen.push(text.data);
  }
  return found;
}"""
# What acts, if it acts, where a text begins.
AT_THE_START = tuple(text for text in PAGE if re.match(r"\w+(:|&colon;)|//|#|__proto__|constructor", text))


TEXTS = tuple(text for text in (*PAGE, *TERMINAL) if len(text) < 1000)
PACKS = [*AT_THE_START, *packed(text for text in TEXTS if text not in AT_THE_START)]


def harmless(text: str) -> str:
    """A text that draws the same page: full stops part names of metrics, and backticks in words of a plugin mark code."""
    return "x" * 40 + "." * ("." in text) + "x" * 40 + "`" * text.count("`")


def looked_at(browser: Browser, text: str, language: str, *, told: bool) -> tuple[Page, dict[str, Any], list[str]]:
    """The page with the text in every slot, what is in it, and all that it said or asked for."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(WATCH)
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_bytes(render_report(hostile_run(text, told=told), language=language))
        page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
        page.on("popup", lambda other: said.append(f"opened {other.url}"))
        page.on("framenavigated", lambda frame: said.append(frame.url) if frame.url != file.as_uri() else None)
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    return page, page.evaluate(INVENTORY), said


def test_every_text_is_in_a_pack() -> None:
    assert len(PAGE) > 60
    assert [text for text in TEXTS if not any(text in pack for pack in PACKS)] == []
    assert all(len(safe_text(pack, LONGEST_TEXT)) <= ROOM for pack in PACKS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", PACKS, ids=range(len(PACKS)))
def test_hostile_text_stays_text(browser: Browser, text: str, language: str) -> None:
    told = (PACKS.index(text) + LANGUAGES.index(language)) % 2 == 0  # with templates of a plugin, as hostile, or none
    page, found, said = looked_at(browser, text, language, told=told)
    assert said == []
    for part in ("acting", "lost", "twice", "broken", "unseen"):
        assert (part, found[part]) == (part, [])
    expected = elements_of(browser, harmless(text), language, told)
    assert Counter(found["elements"]) - expected == Counter()
    assert expected - Counter(found["elements"]) == Counter()
    page.context.close()


@functools.cache
def elements_of(browser: Browser, text: str, language: str, told: bool) -> Counter[str]:
    """Elements of the page with a harmless text in every slot."""
    page, found, said = looked_at(browser, text, language, told=told)
    page.context.close()
    assert (said, found["acting"], found["lost"]) == ([], [], [])
    return Counter(found["elements"])
