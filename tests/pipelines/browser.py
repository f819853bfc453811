"""A reader of the page: Chromium opens it from a file and a script acts on it."""

import json
import re
import shutil
import subprocess

import pytest

from pipelines.report.page import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LISTEN = """<script>
const problems = [];
addEventListener("error", event => problems.push(String(event.message)));
addEventListener("securitypolicyviolation", event => problems.push(event.violatedDirective));
</script>"""


def seen_in_browser(metrics, folder, act):
    """What a script saw on the report of `metrics`, which is written to `folder`; see `seen_on_page`."""
    return seen_on_page(write_report(metrics, folder), folder, act)


def seen_on_page(page, folder, act):
    """What a script put into `seen`, and what the browser complained about: `problems` and its `console`.

    Args:
        page: the file that is opened; the script is written into it.
        folder: to write the profile to.
        act: JavaScript that fills the fields of `seen`.
    """
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    acting = f"<script>const seen = {{}};{act}seen.problems = problems;document.title = JSON.stringify(seen);</script>"
    content = page.read_text(encoding="utf-8")
    content = content.replace("<body>", "<body>" + LISTEN).replace("</body>", acting + "</body>")
    page.write_text(content, encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    title = re.search(r"<title>(.*?)</title>", shown.stdout, re.DOTALL)
    return {**json.loads(title.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")),
            "console": [line for line in shown.stderr.splitlines() if "CONSOLE" in line]}  # fmt: skip
