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
from tests.hostile_run import hostile_run
from tests.hostile_texts import NAMES, PAGE, ROOM, TERMINAL, harmless, packed

pytestmark = pytest.mark.browser
WATCH = """
window.broken = [];
addEventListener('securitypolicyviolation', (event) => broken.push(`${event.effectiveDirective} ${event.blockedURI}`));
addEventListener('error', (event) => broken.push(`error ${event.message}`), true);
"""
USE = """
document.querySelectorAll('details').forEach((details) => { details.open = true; });
document.querySelectorAll('button:not(#print)').forEach((button) => { button.click(); });
"""
# Elements by name and names of attributes, and every attribute that could act or lead somewhere.
INVENTORY = """() => {
  const found = { elements: {}, acting: [], lost: [], twice: [], broken: window.broken, unseen: [] };
  const ids = new Set();
  const ours = /^(#|$|data:image\\/png;base64,[A-Za-z0-9+\\/=]+$)/;
  for (const node of document.querySelectorAll('*')) {
    const names = node.getAttributeNames().filter((name) => name !== 'aria-current');  // follows the place on the page
    const kind = `${node.namespaceURI} ${node.localName} ${names.sort().join(' ')}`;
    found.elements[kind] = (found.elements[kind] ?? 0) + 1;
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
# Of what is for a terminal, a page could take marks that are not seen.
TEXTS = (*PAGE, *(text for text in TERMINAL if not text.isprintable()))
PACKS = (*NAMES, *packed(TEXTS))


# A language, and whether a plugin brings templates that are as hostile; each pack in one of the first two by day.
WAYS = (("en", True), ("zh-CN", False), ("en", False), ("zh-CN", True))
CASES = [
    pytest.param(text, language, told, marks=() if nth == index % 2 else pytest.mark.nightly)
    for index, text in enumerate(PACKS)
    for nth, (language, told) in enumerate(WAYS)
]


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
        page.evaluate(USE)
    return page, page.evaluate(INVENTORY), said


def test_every_text_is_in_a_pack() -> None:
    assert len({text for text in (*NAMES, *PAGE) if safe_text(text) == text}) > 60
    assert [text for text in TEXTS if not any(text in pack for pack in PACKS)] == []
    assert all(len(safe_text(pack, LONGEST_TEXT)) <= ROOM for pack in PACKS)


@pytest.mark.parametrize(("text", "language", "told"), CASES, ids=range(len(CASES)))
def test_hostile_text_stays_text(browser: Browser, text: str, language: str, told: bool) -> None:
    page, found, said = looked_at(browser, text, language, told=told)
    assert said == []
    for part in ("acting", "lost", "twice", "broken", "unseen"):
        assert (part, found[part]) == (part, [])
    expected = elements_of(browser, drawn_alike(text), language, told)
    assert (Counter(found["elements"]) - expected, expected - Counter(found["elements"])) == (Counter(), Counter())
    page.context.close()


def drawn_alike(text: str) -> str:
    """One of a few harmless texts that draw the same page."""
    return re.sub(r"[ x.]+", lambda match: "xxx.xxx" if "." in match[0] else "xxxxxx", harmless(text))


@functools.cache
def elements_of(browser: Browser, text: str, language: str, told: bool) -> Counter[str]:
    """Elements of the page with a harmless text in every slot."""
    page, found, said = looked_at(browser, text, language, told=told)
    page.context.close()
    assert (said, found["acting"], found["lost"]) == ([], [], [])
    return Counter(found["elements"])
