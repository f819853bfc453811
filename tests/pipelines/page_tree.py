"""A page taken apart: whether its tags close, and what it says."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "line", "circle", "path", "polygon", "polyline", "rect"}


class Tree(HTMLParser):
    """Checks that tags close in order; collects ids, links and the text outside scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.words = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
