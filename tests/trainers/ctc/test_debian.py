"""Speech out of Debian's packages: small trees of the same kind, and the real ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.ctc.recorded import record, write
from trainers.ctc.data import debian
from trainers.ctc.data.dataset import Utterances, feasible
from trainers.ctc.data.datasets import DATASETS
from trainers.ctc.data.debian import (
    ASTERISK_RATE,
    ASTERISK_SOUNDS,
    ASTERISK_TEXTS,
    FILLETS_FILES,
    FILLETS_RATE,
    asterisk_en,
    fillets_nl,
    missing_asterisk,
    missing_fillets,
)
from trainers.data.errors import DataError

DIALOGUES = r"""
dialogId("let-m-divna", "font_small", "What kind of strange ship is that?")
dialogStr("Wat is dit voor raar schip?")


dialogId("let-v-oko", "font_big", "Do you see \"that\" eye?")
dialogStr("Zie je dat \"oog\"?")

dialogId("let-v-lost", "font_big", "Nobody wrote what this is.")

-- dialogId("let-m-number", "font_small", "Not yet")
-- dialogStr("Nog niet")
dialogId("let-m-number", "font_small", "This is number 5.")
dialogStr("Dit is nummer 5.")

dialogId("let-m-fast", "font_small", "Far too fast")
dialogStr("Veel te snel om ooit gezegd te zijn")
"""
JOKES = """
dialogId("ob-m-nedeje", "font_small", "Nothing")
dialogStr("Er gebeurt niets")
dialogId("let-m-divna", "font_small", "Of another level")
dialogStr("Van een ander veld")
"""


@pytest.fixture
def fillets(tmp_path: Path) -> Path:
    files = tmp_path / FILLETS_FILES
    for script, text in (("airplane/dialogs_nl", DIALOGUES), ("share/bore_dialogs_nl", JOKES)):
        file = files / "script" / f"{script}.lua"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    sounds = files / "sound"
    for name in ("let-m-divna", "let-m-number", "let-v-lost", "nobody"):
        record(sounds / "airplane" / "nl" / f"{name}.ogg", 1.5, FILLETS_RATE)
    record(sounds / "airplane" / "nl" / "let-v-oko.ogg", 6.0, FILLETS_RATE)
    record(sounds / "airplane" / "nl" / "let-m-fast.ogg", 0.3, FILLETS_RATE)
    record(sounds / "airplane" / "cs" / "let-m-divna.ogg", 1.5, FILLETS_RATE)
    record(sounds / "share" / "borejokes" / "nl" / "ob-m-nedeje.ogg", 1.0, FILLETS_RATE)
    return tmp_path


def _said(found: Utterances) -> dict[str, str]:
    return {
        name: found.text(row) for name, row in zip(found.names, found.labels, strict=True)
    }  # fmt: skip


def test_dialogues_are_those_of_their_level(fillets: Path) -> None:
    found = fillets_nl(4.0, str(fillets))
    assert _said(found) == {
        "airplane/nl/let-m-divna.ogg": "wat is dit voor raar schip",
        "share/borejokes/nl/ob-m-nedeje.ogg": "er gebeurt niets",
    }
    assert found.sample_rate == FILLETS_RATE
    assert found.shape == DATASETS["fillets_nl"].shape(max_seconds=4.0) == (399, 40)
    assert "zie je dat oog" in _said(fillets_nl(8.0, str(fillets))).values()


def test_dialogues_that_cannot_be_used_are_counted(fillets: Path) -> None:
    nl = fillets / FILLETS_FILES / "sound" / "airplane" / "nl"
    write(nl / "let-m-divna.ogg", np.zeros((0, 2)), FILLETS_RATE)
    where, level = f"{fillets / FILLETS_FILES}: left out", "airplane/nl"
    assert fillets_nl(4.0, str(fillets)).info.remarks == (
        f"{where} 1 recording with digits in the transcript, {level}/let-m-number.ogg",
        f"{where} 2 recordings without a transcript, the first of them {level}/let-v-lost.ogg",
        f"{where} 1 recording, unreadable or silent, {level}/let-m-divna.ogg",
        f"{where} 1 recording too short for what is said there, {level}/let-m-fast.ogg (14 frames "
        "of output for 37)",
        f"{where} 1 recording of more than 4 s (data.max_seconds), {level}/let-v-oko.ogg (6.00 s)",
    )


PROMPTS = """; Core Asterisk Sounds in English

activated: Activated.
beep: [this is a simple beep tone]
dictate/help: press * to stop, press # or 3 to go on
letters/at: at [@]
silence/1: (1 second of silence)
nowhere: Nowhere.
oclock: o'clock
"""


@pytest.fixture
def asterisk(tmp_path: Path) -> Path:
    texts = tmp_path / ASTERISK_TEXTS
    texts.parent.mkdir(parents=True)
    texts.write_bytes(gzip.compress(PROMPTS.encode()))
    for name in ("activated", "beep", "dictate/help", "letters/at", "silence/1", "strange"):
        record(tmp_path / ASTERISK_SOUNDS / f"{name}.wav", 2.0, ASTERISK_RATE)
    write(tmp_path / ASTERISK_SOUNDS / "oclock.wav", np.zeros(ASTERISK_RATE), ASTERISK_RATE)
    return tmp_path


def test_prompts_are_written_as_they_are_said(asterisk: Path) -> None:
    found = asterisk_en(4.0, str(asterisk))
    assert _said(found) == {
        "activated.wav": "activated",
        "dictate/help.wav": "press star to stop press pound or three to go on",
        "letters/at.wav": "at",
    }
    assert found.shape == DATASETS["asterisk_en"].shape(max_seconds=4.0) == (398, 40)
    where = f"{asterisk / ASTERISK_SOUNDS}: left out"
    assert found.info.remarks == (
        f"{where} 2 recordings of sounds, in which nothing is said, the first of them beep.wav",
        f"{where} 1 recording without a transcript, strange.wav",
        f"{where} 1 recording, unreadable or silent, oclock.wav",
    )
    (asterisk / ASTERISK_TEXTS).write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"core-sounds-en\.txt\.gz: cannot be read"):
        asterisk_en(4.0, str(asterisk))


def test_packages_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = str(tmp_path)
    with pytest.raises(DataError, match="apt-get install fillets-ng-data fillets-ng-data-nl"):
        fillets_nl(4.0, here)
    told = str(missing_asterisk(here))
    assert "apt-get install asterisk-core-sounds-en asterisk-core-sounds-en-wav" in told
    assert f"below {tmp_path}" in told
    monkeypatch.setenv("ALMKD_DATA", here)
    monkeypatch.setattr(debian, "INSTALLED", str(tmp_path / "nowhere"))
    assert f"below {tmp_path} or " in str(missing_fillets())


def test_packages_are_found_below_the_data_sets_of_the_machine(
    fillets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMKD_DATA", str(fillets))
    assert missing_fillets() is None
    assert len(fillets_nl(4.0)) == 2
    monkeypatch.setattr("trainers.ctc.data.recordings.find_spec", lambda name: None)
    assert "pip install 'almkd[speech]'" in str(missing_fillets())


# The real ones


def _real(name: str, packages: str) -> Utterances:
    entry = DATASETS[name]
    if entry.missing(folder="/"):
        pytest.skip(f"apt-get install {packages}")
    found = entry.load(max_seconds=4.0, folder="/")
    assert isinstance(found, Utterances)
    assert found.problem(None) is None  # type: ignore[arg-type]
    assert feasible(found.lengths, found.labels).all()
    assert found.shape == entry.shape(max_seconds=4.0)
    counts = entry.counts(max_seconds=4.0)
    assert counts is not None
    assert len(found) == counts[0]
    assert counts[1] == (found.shape[0] + 1) // 2 * (len(found.symbols) + 1)
    return found


def test_the_real_prompts_are_read() -> None:
    found = _real("asterisk_en", "asterisk-core-sounds-en-wav")
    assert "".join(found.symbols) == " 'abcdefghijklmnopqrstuvwxyz"
    assert _said(found)["digits/h-2.wav"] == "second"


def test_the_real_dialogues_are_read() -> None:
    found = _real("fillets_nl", "fillets-ng-data-nl")
    assert "".join(found.symbols) == " 'abcdefghijklmnopqrstuvwxyz\u00e9\u00eb"
    assert _said(found)["airplane/nl/let-m-divna.ogg"] == "wat is dit voor raar schip"
