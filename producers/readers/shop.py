"""A shop's catalogue with Spanish column names; it holds products and no events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from producers.readers.dataset import Dataset, Record
from producers.readers.table import Row, Table, open_table, split_csv

SHOP_COLUMNS = (
    "product_id",
    "name",
    "category",
    "descripcion",
    "palabras_clave",
    "precio",
    "rating_promedio",
    "descuento_aplicado",
    "stock_actual",
)


def read_shop(path: Path) -> Dataset:
    """Cells may be empty save for id and name; the field is then left out of the item."""
    layout = f"a header {';'.join(SHOP_COLUMNS)}"
    table = open_table(path, split_csv(";"), SHOP_COLUMNS, layout)
    return Dataset(path.stem, items=_items(table))


def _items(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows():
        name = row.text("name")
        if name is None:
            raise row.error("name", "the product's name")
        category, tags = row.text("category"), row.text("palabras_clave")
        fields = {
            "item_id": row.identifier("product_id"),
            "title": name,
            "categories": [category] if category else [],
            "description": row.text("descripcion"),
            "tags": [tag for part in (tags or "").split(",") if (tag := part.strip())],
            "price": row.number("precio", 0),
            "rating": row.number("rating_promedio", 0, 5),
            "discount_percent": row.number("descuento_aplicado", 0, 100),
            "stock": _stock(row),
            "available": True,
        }
        present = {field: value for field, value in fields.items() if value is not None}
        yield Record(row.file, row.line, present)


def _stock(row: Row) -> int | None:
    stock = row.number("stock_actual", 0)
    if stock is None:
        return None
    if not stock.is_integer():
        raise row.error("stock_actual", "a whole number of at least 0")
    return int(stock)
