"""A page of which a part is written from files: what stands between two marks."""

BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->"
TABLE = "table"
"""The part that is meant where none is named."""


def replaced(page: str, content: str, part: str = TABLE) -> str:
    """The page's text with other content between the marks of a part.

    Raises:
        ValueError: if a mark is missing.
    """
    begin, end = BEGIN.format(part), END.format(part)
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page lacks the lines {begin.strip()} and {end}")
    return f"{before}{begin}{content}{end}{after}"
