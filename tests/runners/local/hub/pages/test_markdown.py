from __future__ import annotations

import time

import pytest

from runners.local.hub.pages.markdown import LinkBase, render_inline, render_markdown
from tests.support.hub_pages import tags

COMMENT = LinkBase("owner/demo", origin="http://127.0.0.1:8000")
FILE = LinkBase("owner/demo", "main", "training_history")
SAFE_TAGS = {
    *(
        [
            "p",
            "br",
            "strong",
            "em",
            "s",
            "code",
            "pre",
            "a",
            "img",
            "ul",
            "ol",
            "li",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "div",
            "blockquote",
            "hr",
            "input",
        ]
    ),
    *(["h1", "h2", "h3", "h4", "h5", "h6", "details", "summary", "sub", "sup", "kbd"]),
}
SAFE_ATTRIBUTES = {
    "href",
    "rel",
    "src",
    "alt",
    "loading",
    "width",
    "class",
    "style",
    "open",
    "type",
    "disabled",
    "checked",
    "aria-label",
    "start",
    "title",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='/owner/demo/raw/main/x.png' onerror=alert(1) style='position:fixed'>",
    '<img alt="\'><script>alert(1)</script>" src="/owner/demo/raw/main/x.png">',
    "<details open ontoggle=alert(1)><summary onclick=alert(1)>x</summary></details>",
    "<svg onload=alert(1)>", "<iframe src=javascript:alert(1)>", "<style>*{display:none}</style>",
    "<a href='javascript:alert(1)'>x</a>", "[x](javascript:alert(1))", "[x](JaVaScRiPt&colon;alert(1))",
    "[x](\x01javascript:alert(1))", "[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](vbscript:x)", "[x](file:///etc/passwd)",
    "![x](javascript:alert(1))", '![x](x.png "onerror=alert(1)")', '[x](/a "\\"onclick=alert(1)")',
    "<javascript:alert(1)>", '```"><script>alert(1)</script>\nx\n```', "`<script>`", "| <script> |\n|---|\n| <b> |",
    "<form action=/><button>", "<!-- <script> --><script>x</script>", "<details><script>x", "<br/onclick=x>", "</div></main>",
    "<img/src=x onerror=x>", "<img src=x\nonerror\n=\nalert(1)>", "<det<!-- -->ails>", "<![CDATA[<script>]]>", "<?x <script> ?>",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("base", [COMMENT, FILE], ids=["comment", "file"])
def test_nothing_but_harmless_tags_and_attributes_comes_out(text: str, base: LinkBase) -> None:
    for render in (render_markdown, render_inline):
        for tag, attributes in tags(render(text, base)):
            assert tag in SAFE_TAGS
            assert set(attributes) <= SAFE_ATTRIBUTES
            assert (attributes.get("style") or "text-align:left").startswith("text-align:")
            for name in ("href", "src"):
                assert (
                    not (attributes.get(name) or "").strip().lower().startswith(("javascript", "data", "vbs", "file"))
                )


def test_html_comments_are_hidden_and_other_html_is_shown_as_text() -> None:
    html = render_markdown("<!-- marker: 1 -->\nseen <b>bold</b>", COMMENT)
    assert "marker" not in html
    assert "seen &lt;b&gt;bold&lt;/b&gt;" in html


def test_details_are_folded_and_always_closed() -> None:
    assert "<details><summary>Log</summary>" in render_markdown(
        "<details><summary>Log</summary>\n\n*x*\n\n</details>", COMMENT
    )
    html = render_markdown("<details><summary>never closed", COMMENT)
    assert html.endswith("</summary></details>")
    assert "</details>" not in render_markdown("</details></details>\n\nx", COMMENT)


def test_tables_tasks_and_alerts_look_as_on_github() -> None:
    html = render_markdown(
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n> [!WARNING]\n> careful", COMMENT
    )
    assert '<td style="text-align:right">2</td>' in html
    assert html.count('type="checkbox" disabled') == 2
    assert html.count(" checked>") == 1
    assert 'class="alert alert-warning"' in html


def test_in_a_comment_every_line_break_counts_and_in_a_file_none() -> None:
    assert "<br" in render_markdown("a\nb", COMMENT)
    assert "<br" not in render_markdown("a\nb", FILE)


def test_mentions_issues_and_addresses_are_marked_outside_code_and_links() -> None:
    html = render_markdown("@writer #3 https://example.org/a. `@writer #3` [#4](https://example.org)", COMMENT)
    assert html.count('<strong class="mention">@writer</strong>') == 1
    assert 'href="/owner/demo/issues/3"' in html
    assert 'href="https://example.org/a"' in html
    assert "issues/4" not in html


@pytest.mark.parametrize(
    ("source", "base", "shown"),
    [
        ("run/roc.png", FILE, "/owner/demo/raw/main/training_history/run/roc.png"),
        ("../docs/a b.png", FILE, None),
        ("../docs/a%20b.png", FILE, "/owner/demo/raw/main/docs/a%20b.png"),
        ("../../../../etc/passwd", FILE, "/owner/demo/raw/main/etc/passwd"),
        ("/owner/demo/raw/0123abc/plots/roc.png", COMMENT, "/owner/demo/raw/0123abc/plots/roc.png"),
        ("http://127.0.0.1:8000/owner/demo/raw/main/roc.png", COMMENT, "/owner/demo/raw/main/roc.png"),
        ("../raw/main/roc.png", COMMENT, "/owner/demo/raw/main/roc.png"),
        ("https://example.org/pixel.png", COMMENT, None),
        ("//example.org/pixel.png", COMMENT, None),
        ("data:image/png;base64,AAAA", COMMENT, None),
    ],
)
def test_images_are_shown_if_this_hub_serves_them_and_never_fetched_from_elsewhere(
    source: str, base: LinkBase, shown: str | None
) -> None:
    for text in (f"![plot]({source})", f'<img src="{source}" alt="plot">'):
        images = [attributes["src"] for tag, attributes in tags(render_markdown(text, base)) if tag == "img"]
        if not ("%" not in source and " " in source and text.startswith("<")):
            assert images == ([shown] if shown else [])


def test_links_of_a_file_lead_to_files() -> None:
    html = render_markdown("[a](train-1.md#plots) [b](../README.md) [c](/docs/x.md) [d](#top)", FILE)
    assert 'href="/owner/demo/blob/main/training_history/train-1.md#plots"' in html
    assert 'href="/owner/demo/blob/main/README.md"' in html
    assert 'href="/owner/demo/blob/main/docs/x.md"' in html
    assert 'href="#top"' in html


@pytest.mark.parametrize(
    "piece", ["<img ", "<!--", "<details a ", "[x](", "> ", "#1 ", "@a", "http://", "<img a=" + " " * 50, "**a ", "`"]
)
def test_the_work_grows_with_the_text_and_not_faster(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        render_markdown.__wrapped__(text, COMMENT)
        return time.process_time() - start

    seconds(1_000)
    assert seconds(65_536) < 3


def test_a_text_too_large_to_render_is_shown_plain() -> None:
    html = render_markdown("<b>" * 200_000, COMMENT)
    assert html.startswith("<pre>&lt;b&gt;")


@pytest.mark.parametrize(
    "text",
    [
        "see http://[x",
        '<img src="http://[x" alt="http://[x">',
        "http://[x and https://example.org",
        "https://\u2105.example",
    ],
)
@pytest.mark.parametrize("base", [COMMENT, FILE])
def test_an_address_that_is_none_is_shown_as_text(text: str, base: LinkBase) -> None:
    rendered = str(render_markdown(text, base))
    assert "http://[x" in rendered or "\u2105" in rendered
    links = [fields["href"] for tag, fields in tags(rendered) if tag == "a"]
    assert links == (["https://example.org"] if "example.org" in text else [])
    assert not [tag for tag, _ in tags(rendered) if tag == "img"]
