"""Every block of Python that the documents show is run: here, or by the test that looks closer at its page."""

import contextlib
import re

import pytest

from tests.house.modules import ROOT
from tests.pipelines.shown_commands.collected import pages, python_blocks
from tests.pipelines.shown_commands.python_names import ELSEWHERE, GIVEN, TABLE, Given

PAGES = [page for page in pages() if python_blocks(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_the_python_of_a_page_runs(page, executor):
    run_blocks(page, [block.text for block in python_blocks(page)], GIVEN.get(page, Given()), executor.folder)


def run_blocks(page, texts, given, folder):
    """Run the blocks one after another; a later one sees what the earlier have left.

    Raises:
        AssertionError: a part that should be run shorter is not there any more, or a name is given nowhere.
    """
    gone = [part for part in given.shorter if not any(part in text for text in texts)]
    assert not gone, f"{page} shows no {gone} any more; mend its `shorter` in {TABLE}"
    left = {"__name__": "shown"}
    with contextlib.ExitStack() as closing:
        for text in texts:
            for part, short in given.shorter.items():
                text = text.replace(part, short)
            left |= given.names(folder, closing)
            try:
                exec(compile(text, page, "exec"), left)
            except NameError as error:
                raise AssertionError(f"{page}: {error}; give it a value in GIVEN of {TABLE}") from error


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_a_page_that_another_test_runs_is_run_by_it(page, test):
    text = (ROOT / test).read_text(encoding="utf-8")
    assert page in PAGES
    assert page.rpartition("/")[2] in text
    assert "python_examples(" in text
    assert re.search(r"\bexec\(", text)


def test_pages_that_are_given_names_show_python():
    assert set(GIVEN) <= set(PAGES)


def test_a_name_that_is_given_nowhere_is_told_with_what_to_do(tmp_path):
    with pytest.raises(AssertionError, match=r"x\.md: name 'shop' is not defined; give it a value in GIVEN of .*\.py"):
        run_blocks("x.md", ["open = 1", "print(shop, open)"], Given(), tmp_path)


def test_a_part_that_is_shown_no_more_is_told(tmp_path):
    with pytest.raises(AssertionError, match=r"x\.md shows no \['epochs=20'\] any more; mend its `shorter`"):
        run_blocks("x.md", ["epochs = 3"], Given(shorter={"epochs=20": "epochs=1"}), tmp_path)
