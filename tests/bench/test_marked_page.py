import pytest

from tests.bench.marked_page import replaced

PAGE = "a\n<!-- x: begin -->\n{}<!-- x: end -->\nz\n"


def test_only_what_stands_between_the_marks_changes() -> None:
    assert replaced(PAGE.format("old\n"), "new\n", "x") == PAGE.format("new\n")


@pytest.mark.parametrize("page", ["a\nz\n", PAGE, "<!-- y: begin -->\n", "<!-- y: end -->"])
def test_a_page_without_both_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="lacks the lines <!-- y: begin -->"):
        replaced(page, "new\n", "y")
