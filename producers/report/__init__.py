"""Reports for people: tables as text, and one self-contained HTML page with plots.

What the figures mean is their maker's matter; here is only how they look.
"""

from producers.report.page import Page, Section, write
from producers.report.plots import Line, Plot, require_drawing
from producers.report.table import Cell, Table, text

__all__ = [
    "Cell", "Line", "Page", "Plot", "Section", "Table", "require_drawing", "text", "write",
]  # fmt: skip
