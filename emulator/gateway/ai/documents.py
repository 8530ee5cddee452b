"""HTML, PDF, Word, Excel and pictures to Markdown by `markitdown` and what it brings along (extra `markdown`); imported in a thread.

Each format goes to its own converter: the library's own guess would take a broken PDF for text. Of pictures only what the file itself
tells is told: the platform describes them with a model.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from bs4 import BeautifulSoup
from markitdown import StreamInfo
from markitdown.converters import DocxConverter, HtmlConverter, PdfConverter, XlsConverter, XlsxConverter
from PIL import Image

_CONVERTERS = {
    "application/pdf": PdfConverter,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": DocxConverter,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": XlsxConverter,
    "application/vnd.ms-excel": XlsConverter,
}


def document_markdown(kind: str, name: str, data: bytes, options: Mapping[str, Any]) -> str:
    """The Markdown of a document of the media type `kind`. Of `options` these act: `html.cssSelector` (only what it selects) and
    `html.hostname` (what links are relative to). Raises ValueError for a document that is broken."""
    try:
        if kind.startswith("image/"):
            return _picture(name, data)
        if kind == "text/html":
            return _html(data, options.get("html"))
        return str(_CONVERTERS[kind]().convert(io.BytesIO(data), StreamInfo(mimetype=kind, filename=name)).markdown)
    except Exception as error:
        # The converters of four libraries raise what they like, zipfile.BadZipFile and PDFSyntaxError among it.
        raise ValueError(str(error) or type(error).__name__) from error


def _html(data: bytes, options: Any) -> str:
    asked = options if isinstance(options, Mapping) else {}
    page = BeautifulSoup(data, "html.parser")
    hostname, selector = asked.get("hostname"), asked.get("cssSelector")
    if isinstance(hostname, str) and hostname:
        base = hostname if "://" in hostname else f"https://{hostname}/"
        for tag, attribute in (("a", "href"), ("img", "src")):
            for found in page.find_all(tag, {attribute: True}):
                found[attribute] = urljoin(base, str(found[attribute]))
    html = "\n".join(str(found) for found in page.select(selector)) if isinstance(selector, str) and selector else str(page)
    return str(HtmlConverter().convert_string(html).markdown)


def _picture(name: str, data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        form = picture.format
    note = "The platform describes pictures with a model; agents-emu does not."
    return f"# {name}\n\n- Format: {form}\n- Size: {width} x {height} pixels\n\n{note}\n"
