"""`freshet simulate`: a closed loop of shoppers and the system, with the truth known."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import msgspec
import typer

from config.cli.logs import set_up_logs
from config.cli.options import (
    AsJson,
    ConfigFile,
    console,
    progress_bar,
    require_file,
    require_place,
    settings_for,
    show_tables,
)  # fmt: skip
from config.settings import Settings
from producers.errors import OptionError
from producers.report import write
from producers.simulation import page
from producers.simulation.nature import Nature, looks_of
from producers.simulation.policies import Event as Record
from producers.simulation.run import START, Simulation, nowhere
from producers.simulation.systems import InProcess, Remote
from producers.simulation.world import Size
from stream.errors import InvalidEvent
from stream.events import time_of


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    users: Annotated[int, typer.Option(min=1, max=1_000_000, help="Shoppers.")] = 300,
    items: Annotated[int, typer.Option(min=1, max=1_000_000, help="Items they can find.")] = 1_000,
    hours: Annotated[
        float, typer.Option(min=0.1, max=100_000, help="How long, in their time.")
    ] = 168.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed: the same, bit for bit.")] = 7,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Against Freshet in this process: the default.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Against a running, empty system.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="FRESHET_API_KEY", help="Where the system asks for one.")
    ] = None,
    k: Annotated[int, typer.Option(min=2, max=20, help="Items a page shows.")] = 10,
    looks: Annotated[
        str, typer.Option(help="Steepness n^-LOOKS of how places are looked at, or 1,0.9,0.4,….")
    ] = "0.6",
    taste: Annotated[
        float, typer.Option(min=0, max=1, help="How much people differ; at 0 all are alike.")
    ] = 1.0,
    life: Annotated[
        float | None, typer.Option(min=0.1, help="Hours an item stays; default: all stay.")
    ] = None,
    searches: Annotated[
        float, typer.Option(min=0, max=1, help="How often people look beside the lists.")
    ] = 1.0,
    start: Annotated[
        str | None, typer.Option(help="When it begins, as in 2026-01-31T12:00:00Z.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write catalogue, impressions and events here, as JSONL.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let shoppers with hidden tastes act on what they are shown, and measure what it teaches.

    Tastes drift, people come in sessions, tire of what they have passed over, and look at the
    n-th place with the chance n^-0.6, whatever stands there. The same world is lived once more
    under an oracle who knows all tastes, under bestsellers, and under chance. What --out writes
    can be given to `freshet evaluate --format events` and to `freshet replay`. Ctrl-C ends it at
    the visit it is at: the others then live as far as Freshet has, and the report is of that;
    a second Ctrl-C leaves out whom it cannot be compared with yet.

    Example: `freshet simulate --users 300 --items 1000 --hours 168 --report loop.html`

    A front page of news: `freshet simulate --looks 1 --taste 0.2 --life 48 --searches 0`
    """
    if in_process and url is not None:
        raise typer.BadParameter("is one system, --in-process another", param_hint="--url")
    require_place(report)
    require_file(out, "--out")
    settings = settings_for(config)
    set_up_logs(settings.logs)
    began = _moment(start, url is not None, hours)
    steepness, places = looks_of(looks)
    nature = Nature(steepness, places, taste, life, searches)
    simulation = Simulation(Size(users, items, hours), seed, k, began, nature)
    told = simulation.report(_live_all(simulation, settings, (url, api_key), out))
    told["system"] = url or "in process"
    told["learned_propensities"] = told["policies"]["freshet"].pop("learned_propensities")
    told["state_hash"] = told["policies"]["freshet"].pop("state_hash")
    if report is not None:
        write(report, page.page(told))
    show_tables(told, page.tables(told), as_json)


def _moment(start: str | None, live: bool, hours: float) -> float:
    """A fixed start, so that a simulation repeats; a running system learns of the hours before now.

    A log is read in order of time, and what a running system learns later must not lie before.
    """
    if start is None:
        return float(int(time.time() - hours * 3600.0)) if live else START
    try:
        return time_of(start, 0.0)
    except InvalidEvent as error:
        raise typer.BadParameter(str(error), param_hint="--start") from None


def _live_all(
    simulation: Simulation, settings: Settings, way: tuple[str | None, str | None], out: Path | None
) -> dict[str, dict[str, Any]]:
    """The system's run first, then the others'."""
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        system: InProcess | Remote
        url, api_key = way
        if url is None:
            system = simulation.in_process(settings.learning, settings.manifest)
        else:
            system = Remote(url, simulation.world, api_key)
            stack.callback(system.close)
        # Only now: a system that is refused leaves the file of an earlier run as it is.
        note = nowhere if out is None else _writer(stack, out, simulation)
        stop = stack.enter_context(_interruptible())
        with progress_bar("living under freshet", len(simulation.visits)) as advance:
            found["freshet"] = simulation.run(system, note, advance, stop.is_set)
        if not found["freshet"]["visits"]:
            raise KeyboardInterrupt  # there is nothing to tell
        simulation.end_after(found["freshet"]["visits"])
        if stop.is_set():
            console.print(f"stopped after {len(simulation.visits):,} visits")
            stop.clear()
        found |= _others(simulation, stop.is_set)
        found["freshet"]["learned_propensities"] = system.propensities(simulation.k)
        found["freshet"]["state_hash"] = system.state_hash()
    if out is not None:
        console.print(f"{out} holds what was shown and what was done")
    return found


def _others(simulation: Simulation, stop: Callable[[], bool]) -> dict[str, dict[str, Any]]:
    """The runs to compare with, those that were stopped left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, policy in simulation.others().items():
        with progress_bar(f"living under {name}", len(simulation.visits)) as advance:
            lived = simulation.run(policy, progress=advance, stop=stop)
        if lived["visits"] < len(simulation.visits):
            break
        found[name] = lived
    return found


@contextmanager
def _interruptible() -> Iterator[Event]:
    """Yield a flag that Ctrl-C and SIGTERM set: what goes on ends where it is whole.

    Once more while it is set, they end it at once.
    """
    stop = Event()

    def end(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _writer(stack: ExitStack, out: Path, simulation: Simulation) -> Any:
    try:
        file = stack.enter_context(out.open("wb"))
    except OSError as error:
        raise OptionError(f"--out: the file cannot be written: {error.strerror}") from None

    def note(records: Sequence[Record]) -> None:
        for record in records:
            # The catalogue of a file is read before its events: what left would be in no list.
            if record.get("available") is not False:
                file.write(msgspec.json.encode(record) + b"\n")

    note([{"type": "item", **item} for item in simulation.world.catalogue()])
    return note
