"""HTML that may come from data, made harmless: what stays is on a list, what is not is gone or text.

No element that is kept holds raw text, so that a browser reads the result exactly as it was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# an element that is in neither of these gives its place to its content
_KEPT = _words("""
    a abbr audio b blockquote br caption code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4
    h5 h6 hr i img ins kbd li mark ol p pre q s samp section small source span strong sub summary sup table tbody td
    tfoot th thead time tr u ul var video wbr
    svg g path line polyline polygon rect circle ellipse text tspan
""")
_GONE = _words("""
    applet embed frame iframe noembed noframes noscript object plaintext script style template textarea title
""")
_ATTRIBUTES = _words("""
    alt aria-hidden aria-label class colspan controls dir height hidden href id lang open role rowspan scope src start
    style title type value width
    cx cy d dx dy fill fill-opacity font-size font-weight opacity points preserveaspectratio r rx ry stroke
    stroke-dasharray stroke-linecap stroke-linejoin stroke-opacity stroke-width text-anchor transform viewbox x x1 x2 y
    y1 y2
""")
_PROPERTIES = _words("""
    background background-color border border-bottom border-collapse border-left border-right border-top color
    font-family font-size font-style font-weight height margin margin-bottom margin-left margin-right margin-top
    max-width opacity padding padding-bottom padding-left padding-right padding-top text-align text-decoration
    vertical-align white-space width
""")
_PAINTS = _words("fill stroke")  # attributes in which CSS takes an address
_PLAIN_VALUE = re.compile(r"(?:rgba?\(|hsla?\(|[\w\s#%.,)+-])*")  # no url(), no escape, no quote
_SAFE_LINK = re.compile(r"https?:|mailto:|[^:/?#]*(?:[/?#]|$)", re.IGNORECASE)  # one of these schemes, or none
_INSIDE = re.compile(r"data:(?:image|audio|video)/", re.IGNORECASE)


def safe_html(html: object) -> str:
    """Return HTML without scripts, style sheets, forms, and anything that a browser would fetch."""
    soup = parsed(str(html))
    for tag in soup.find_all(list(_GONE)):
        if not tag.decomposed:
            tag.decompose()
    _drop_comments(soup)
    for tag in soup.find_all():
        if tag.name == "input" and tag.get("type") == "checkbox":
            tag.replace_with("\N{BALLOT BOX WITH CHECK} " if tag.has_attr("checked") else "\N{BALLOT BOX} ")
        elif tag.name not in _KEPT:
            tag.hidden = True  # its content stays; unwrap() looks for its place among all beside it
        elif tag.name == "img" and not _INSIDE.match(str(tag.get("src", ""))):
            tag.replace_with(_stands_elsewhere(tag))
        else:
            _keep_attributes(tag)
    for image in soup.find_all("img", alt=False):
        image["alt"] = ""
    return str(soup)


def parsed(html: str) -> BeautifulSoup:
    """Return the tree of a piece of HTML, each attribute one text."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(html, "html.parser", multi_valued_attributes=None)


def _drop_comments(soup: BeautifulSoup) -> None:
    from bs4.element import PreformattedString

    for text in soup.find_all(string=lambda text: isinstance(text, PreformattedString)):
        text.extract()


def _stands_elsewhere(image: Tag) -> str:
    address = str(image.get("src") or "no address")
    if address.lower().startswith("data:"):
        address = "no picture"  # what it is must not stand in the page, either
    words = f"{image.get('alt') or ''} ({address})".strip()
    return f"[a picture that is not in this page: {words}]"


def _keep_attributes(tag: Tag) -> None:
    kept = {name: str(value) for name, value in tag.attrs.items() if name in _ATTRIBUTES}
    if "style" in kept:
        kept["style"] = _safe_style(kept["style"])
    if "href" in kept and not _SAFE_LINK.match(re.sub(r"[\x00-\x20]", "", kept["href"])):
        del kept["href"]
    if "src" in kept and not _INSIDE.match(kept["src"]):
        del kept["src"]
    for name in _PAINTS & kept.keys():
        if not _PLAIN_VALUE.fullmatch(kept[name]):
            del kept[name]
    tag.attrs.clear()
    for name, value in kept.items():
        if name == "src" or ("url(" not in value.lower() and (value or name != "style")):
            tag[name] = value


def _safe_style(style: str) -> str:
    pairs = [
        (name.strip().lower(), value.strip()) for name, _, value in (one.partition(":") for one in style.split(";"))
    ]
    return "; ".join(
        f"{name}: {value}" for name, value in pairs if name in _PROPERTIES and _PLAIN_VALUE.fullmatch(value)
    )
