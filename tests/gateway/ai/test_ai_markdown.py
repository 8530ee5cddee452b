"""toMarkdown(): text by ourselves, documents by the library where it is installed, a clear row where it is not."""

from __future__ import annotations

import base64
import importlib.util
import io
import zipfile

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.stub.stub_media import jpeg, png

from .conftest import read_json

installed = pytest.mark.skipif(importlib.util.find_spec("markitdown") is None, reason="pip install 'agents-emu[markdown]'")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML = b'<html><body><h1>Title</h1><div class="x"><a href="/a">link</a></div><script>no()</script></body></html>'


async def rows(bench, *files, **options):
    sent = [{"name": name, "mimeType": kind, "data": base64.b64encode(data).decode()} for name, kind, data in files]
    response = await bench(AiMode.AUTO).post("/to-everything/markdown/transformer", {"files": sent, "options": options})
    return (await read_json(response))["result"]


def pdf(text: str) -> bytes:
    """One page of one line."""
    stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def docx(text: str) -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = f"{DOCX}.main+xml"
    override = f'<Override PartName="/word/document.xml" ContentType="{main}"/>'
    relation = f'<Relationship Id="r" Type="{office}" Target="word/document.xml"/>'
    default = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    files = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}">{default}{override}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{relations}">{relation}</Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>',
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def xlsx() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Prices"
    book.active.append(["item", "price"])
    book.active.append(["tea", 3])
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


async def test_text(bench):
    made = await rows(bench, ("a.xml", "text/xml", b"<r>1</r>\n"), ("b.svg", "image/svg+xml", b"<svg/>"), ("c.txt", "", b"plain"))
    assert [row["data"] for row in made] == ["```xml\n<r>1</r>\n```\n", "```xml\n<svg/>\n```\n", "plain"]
    assert made[2]["tokens"] == 1


@installed
async def test_documents(bench):
    made = await rows(
        bench,
        ("a.html", "text/html; charset=utf-8", HTML),
        ("b.pdf", "application/pdf", pdf("Hello from a page")),
        ("c.docx", DOCX, docx("Hello from Word")),
        ("d.xlsx", XLSX, xlsx()),
    )
    assert [row["format"] for row in made] == ["markdown"] * 4, made
    html, page, word, sheet = (row["data"] for row in made)
    assert "# Title" in html and "[link](/a)" in html and "no()" not in html
    assert "Hello from a page" in page
    assert "Hello from Word" in word
    assert "## Prices" in sheet and "| tea | 3 |" in sheet
    assert all(row["tokens"] == max(1, len(row["data"]) // 4) for row in made)


@installed
async def test_pictures_tell_only_what_the_file_tells(bench):
    made = await rows(bench, ("a.png", "image/png", png()), ("b.jpg", "", jpeg()))
    assert "- Format: PNG\n- Size: 1 x 1 pixels" in made[0]["data"]
    assert "- Format: JPEG" in made[1]["data"] and "describes pictures with a model" in made[1]["data"]


@installed
async def test_options_of_html(bench):
    (row,) = await rows(bench, ("a.html", "text/html", HTML), conversionOptions={"html": {"cssSelector": ".x", "hostname": "example.com"}})
    assert row["data"].strip() == "[link](https://example.com/a)"


@installed
@pytest.mark.parametrize(("name", "kind"), [("a.pdf", "application/pdf"), ("a.docx", DOCX), ("a.xlsx", XLSX), ("a.png", "image/png")])
async def test_broken_documents(bench, name, kind):
    (row,) = await rows(bench, (name, kind, b"broken"))
    assert row["format"] == "error"
    assert row["error"].startswith(f"cannot be read as {kind}: ")


async def test_without_the_library(bench, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    made = await rows(bench, ("a.pdf", "application/pdf", b"%PDF"), ("b.md", "text/markdown", b"# hi"), ("c.mp3", "audio/mpeg", b""))
    assert [row["format"] for row in made] == ["error", "markdown", "error"]
    assert made[0]["error"] == "application/pdf needs a converter that is not installed (E643): pip install 'agents-emu[markdown]'"
    assert "audio/mpeg is not converted locally (only .md, .txt," in made[2]["error"]


async def test_recorded_conversions_answer(bench, cassettes):
    """What only a model can describe."""
    row = {"id": "1", "name": "a.png", "mimeType": "image/png", "format": "markdown", "tokens": 2, "data": "A fox."}
    cassettes.write(
        "00-fox",
        {
            "source": "manual",
            "request": {"kind": "to-markdown", "target": "transformer"},
            "match": {"where": [{"path": "$.body.files[*].name", "equals": "a.png"}], "repeat": "forever"},
            "response": {"status": 200, "json": {"result": [row]}},
        },
    )
    assert await rows(bench, ("a.png", "image/png", png())) == [row]
    (own,) = await rows(bench, ("b.md", "text/markdown", b"# hi"))
    assert own["data"] == "# hi"
