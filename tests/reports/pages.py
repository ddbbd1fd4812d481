"""What a page must and must not hold, read by a parser."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; `unclosed` are elements that were opened and not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.unclosed: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.unclosed:
            self.style += data
        else:
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(one for one in self.words if one)

    def headings(self) -> list[int]:
        return [int(tag[1]) for tag, _ in self.tags if tag in ("h1", "h2", "h3", "h4")]


def must_be_plain(text: str) -> Page:
    """A page without script and requests, whose tables have captions and headers, and whose headings skip no level."""
    page = Page(text)
    assert page.unclosed == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "form", "object", "base", "a"}
    for _, attributes in page.tags:
        assert not {one for one in attributes if one.startswith("on") or one in ("src", "href", "style", "action")}
    # A browser applies the style only if its digest is the one that the page itself allows.
    allowed = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    policies = [attributes["content"] or "" for _, attributes in page.tags if "http-equiv" in attributes]
    assert [f"'sha256-{allowed}'" in policy and "default-src 'none'" in policy for policy in policies] == [True]
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text
    levels = page.headings()
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert sum(tag == "caption" for tag, _ in page.tags) == tables
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags
    return page
