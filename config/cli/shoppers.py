"""`freshet shoppers`: simulated people who click, rate and buy, into Kafka."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from itertools import islice
from typing import Annotated

import typer
from rich.progress import Progress

from config.cli.options import ConfigFile, console, settings_for
from config.producing import kafka_sink

Bootstrap = Annotated[
    str | None, typer.Option("--kafka", help="Brokers as HOST:PORT,…; default kafka.bootstrap.")
]


def register(app: typer.Typer) -> None:
    app.command("shoppers")(shoppers)


def shoppers(
    kafka: Bootstrap = None,
    url: Annotated[
        str | None, typer.Option(help="An API whose lists they act on; without, they browse.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.001, max=100_000, help="Events a second.")] = 20.0,
    people: Annotated[int, typer.Option(min=1, help="How many there are.")] = 300,
    products: Annotated[int, typer.Option(min=1, help="Products of the generated shop.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed: the same shop and tastes.")] = 7,
    events: Annotated[
        int | None, typer.Option(min=1, help="End after so many; default: at Ctrl-C.")
    ] = None,
    catalogue: Annotated[
        bool, typer.Option(help="Send the shop's products and people first.")
    ] = True,
    config: ConfigFile = None,
) -> None:
    """Send the events of a simulated crowd: views, clicks, ratings, carts and purchases.

    Example: `freshet shoppers --kafka 127.0.0.1:9092 --url http://127.0.0.1:8000 --rate 50`
    """
    from producers import live
    from producers.shoppers import Crowd

    settings = settings_for(config, kafka__bootstrap=kafka)
    items = live.shop(products, seed)
    crowd = Crowd(items, people, seed)
    with ExitStack() as stack:
        sink = stack.enter_context(kafka_sink(settings, imported=False)[0])
        ask = stack.enter_context(live.Listed(url)) if url else live.alone
        if catalogue:
            sink.put_items(items)
            sink.put_users(
                [{"user_id": s.user_id, "attributes": {"name": s.name}} for s in crowd.shoppers]
            )
        bars = stack.enter_context(Progress(console=console))
        task = bars.add_task("events", total=events)
        live.flow(
            islice(live.visits(crowd, ask), events), sink, rate, threading.Event(),
            lambda what, count: bars.update(task, completed=count, description=f"events {count:,}"),
        )  # fmt: skip
