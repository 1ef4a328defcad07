"""Settings: who beats whom, and what is said of a mistake."""

import re
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError
from config.load import keys_of, load
from config.settings import Settings

KEYS = sorted(keys_of(Settings))
NAMED = [key.replace("*", "view" if "events" in key else "fast") for key in KEYS]


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(flags: dict[str, Any] | None = None, **environ: str) -> Settings:
    return load(flags, environ=environ)


def refused(flags: dict[str, Any] | None = None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags, environ=environ)
    return str(caught.value)


def test_defaults_alone_are_enough() -> None:
    assert loaded() == Settings()


def test_flags_beat_the_environment_that_the_file_that_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "freshet.toml").write_text("[api]\nport = 1\nhost = 'file'\n[logs]\njson = true\n")
    settings = loaded({"api.port": 3, "api.host": None}, FRESHET_API__PORT="2")
    assert (settings.api.port, settings.api.host, settings.logs.json) == (3, "file", True)
    assert loaded(FRESHET_API__PORT="2").api.port == 2
    assert loaded().api.port == 1
    assert loaded().api.docs is True


def test_the_environment_says_numbers_and_truths_in_words() -> None:
    settings = loaded(
        FRESHET_LOGS__JSON="true", FRESHET_SNAPSHOTS__EVERY_S="1.5", FRESHET_MANIFEST__SEED="7"
    )
    assert (settings.logs.json, settings.snapshots.every_s, settings.manifest.seed) == (
        True, 1.5, 7,
    )  # fmt: skip


def test_the_file_is_named_by_option_then_by_the_environment(tmp_path: Path) -> None:
    for name, port in (("a.toml", 1), ("b.toml", 2), ("freshet.toml", 3)):
        (tmp_path / name).write_text(f"[api]\nport = {port}\n")
    assert load(file=tmp_path / "a.toml", environ={"FRESHET_CONFIG": "b.toml"}).api.port == 1
    assert loaded(FRESHET_CONFIG="b.toml").api.port == 2
    assert loaded().api.port == 3


def test_a_named_file_must_be_there_the_default_need_not(tmp_path: Path) -> None:
    assert "gone.toml does not exist" in refused(FRESHET_CONFIG="gone.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml does not exist"):
        load(file=Path("gone.toml"), environ={})


@pytest.mark.parametrize(
    "content", [b"[api", b"port = ", b"[api]\nport = 1\nport = 2", b"\xff\xfe", b"x = \x00"]
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "freshet.toml").write_bytes(content)
    assert refused().startswith("freshet.toml cannot be read: ")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in refused(FRESHET_CONFIG=str(tmp_path))


@pytest.mark.parametrize("key", NAMED)
def test_a_slip_in_any_key_names_it_and_the_nearest(key: str) -> None:
    section, _, last = key.rpartition(".")
    for slip in (last + "x", last[:-1], last[0] + last[2:] if len(last) > 3 else last + "zz"):
        wrong = f"{section}.{slip}"
        if wrong in NAMED:
            continue
        said = refused({wrong: "1"})
        assert said.startswith(f"{wrong} is not a setting; did you mean ")
        [nearest] = re.findall(r"did you mean (.*)\?$", said)
        assert re.fullmatch(nearest.replace(".", r"\.").replace("…", "[a-z]+"), key) or (
            nearest.rsplit(".", 1)[0] == section
        )


@pytest.mark.parametrize("key", NAMED)
def test_a_wrong_type_for_any_key_is_refused_by_its_key(key: str) -> None:
    starred = re.sub(r"\.(view|fast)\.", ".", key) if "*" in KEYS[NAMED.index(key)] else key
    strange = [["a"], ["list", 1, {}]]  # neither a value nor a list of words
    assert re.sub(r"\[\d+\]:", ":", refused({key: strange})).startswith(
        (f"{key}: ", f"{starred}: ")
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("api.port", "http", "api.port: expected int"),
        ("api.port", 65_536, "api.port: expected int <= 65535"),
        ("snapshots.keep", 0, "snapshots.keep: expected int >= 1"),
        ("snapshots.every_s", 0, "snapshots.every_s: expected float > 0"),
        ("snapshots.every_s", "nan", "snapshots.every_s: expected float > 0"),
        ("logs.level", "loud", "logs.level: expected str matching"),
        ("core.namespace", "../up", "core.namespace: expected str matching"),
        ("core.namespace", "", "core.namespace: expected str matching"),
        ("manifest.scoring", "some", "manifest.scoring: invalid enum value"),
        ("manifest.history", 101, "manifest.history: expected int <= 100"),
        ("manifest.pair_events_per_hour", 255, "manifest.pair_events_per_hour: expected int <="),
        ("learning.embeddings.dims", 33, "learning.embeddings.dims: invalid enum value"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_its_key(key: str, value: Any, said: str) -> None:
    assert refused({key: value}).startswith(said)


def test_a_section_is_no_value_and_a_value_no_section() -> None:
    assert refused({"api": 5}).startswith("api is not a setting")
    assert refused({"api.port.more": 5}).startswith("api.port.more is not a setting")
    assert refused(FRESHET_API="5").startswith("api is not a setting")
    assert "port" in refused({"api.port.more": 5}, FRESHET_API__PORT="5")


def test_other_names_of_the_environment_are_left_alone() -> None:
    assert loaded(PATH="/bin", FRESHETX="1", FRESHET_TEST_DATA="/data") == Settings()
    assert refused(FRESHET_API_PORT="1").startswith("api_port is not a setting; did you mean api")


def test_one_event_type_s_weight_leaves_the_others_as_they_are() -> None:
    events = loaded({"learning.events.view.weight": 2}).learning.events
    defaults = Settings().learning.events
    assert events["view"].weight == 2.0
    assert {name: events[name] for name in defaults if name != "view"} == {
        name: meaning for name, meaning in defaults.items() if name != "view"
    }


def test_a_type_of_one_s_own_stands_beside_the_defaults() -> None:
    events = loaded({"learning.events.share.weight": 3}).learning.events
    assert events["share"].weight == 3.0 and "purchase" in events


def test_one_number_of_a_horizon_leaves_its_others_as_they_are() -> None:
    horizons = loaded({"learning.cooccurrence.fast.decay": 0.5}).learning.cooccurrence
    assert horizons["fast"].decay == 0.5
    assert horizons["fast"].length == Settings().learning.cooccurrence["fast"].length


def test_an_empty_section_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "freshet.toml").write_text("[api]\n[learning.events.view]\n")
    assert loaded() == Settings()
