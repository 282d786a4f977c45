"""The engines. Each module has a class `Engine`, which answers a question with a list of rows, and a row is a dict."""

import pathlib

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples" / "fleet"


def sql(name):
    """Returns the text of a SQL file of the example."""
    return (EXAMPLES / f"{name}.sql").read_text()
