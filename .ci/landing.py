"""Reads the landing page, as HTML from stdin, the way a screen reader does:
fails if a text given as argument is not on it, or if something has no name."""

import html.parser
import sys


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.problems, self.text, self.open, self.ids, self.references = [], [], [], set(), set()
        self.headings, self.tables, self.counts = [], [], {}

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag != "title" or "svg" not in self.open:  # a drawing has a title as well
            self.counts[tag] = self.counts.get(tag, 0) + 1
        self.open.append(tag)
        if "id" in a:
            if a["id"] in self.ids:
                self.problems.append(f"two elements have the id {a['id']}")
            self.ids.add(a["id"])
        self.references.update(a.get("aria-labelledby", "").split())
        match tag:
            case "html" if not a.get("lang"):
                self.problems.append("no language")
            case "svg" if a.get("aria-hidden") != "true":
                if a.get("role") != "img" or not (a.get("aria-label") or a.get("aria-labelledby")):
                    self.problems.append("a picture without role and label")
                self.text.append(f" picture: {a.get('aria-label', '')} ")
            case "img" if "alt" not in a:
                self.problems.append("an image without alt")
            case "table":
                self.tables.append({"caption": False, "scopes": set()})
            case "caption":
                self.tables[-1]["caption"] = True
            case "th":
                if a.get("scope") not in ("col", "row"):
                    self.problems.append("a heading of a table without scope")
                self.tables[-1]["scopes"].add(a.get("scope"))
            case "h1" | "h2" | "h3" | "h4":
                self.headings.append(int(tag[1]))
            case "script":
                self.problems.append("a script")
        for name in a:
            if name.startswith("on"):
                self.problems.append(f"a script in {name}")
        if tag in ("td", "th", "li", "p", "div", "dt", "dd"):
            self.text.append(" ")
        if tag in ("meta", "link"):
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


page = Page()
page.feed(sys.stdin.read())
text = " ".join("".join(page.text).split())
for wanted in sys.argv[1:]:
    if wanted not in text:
        page.problems.append(f"no text {wanted!r}")
for tag in ("title", "main", "h1"):
    if page.counts.get(tag) != 1:
        page.problems.append(f"{page.counts.get(tag, 0)} elements {tag}, want 1")
if not page.tables:
    page.problems.append("no table")
for table in page.tables:
    if not table["caption"] or table["scopes"] != {"col", "row"}:
        page.problems.append(f"a table without caption or headings: {table}")
for before, after in zip([0] + page.headings, page.headings):
    if after > before + 1:
        page.problems.append(f"a heading of level {after} after one of level {before}")
for name in page.references - page.ids:
    page.problems.append(f"a label {name} that is not there")
if page.problems:
    sys.exit("\n".join(page.problems) + "\nin: " + text)
