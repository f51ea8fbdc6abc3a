import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.errors import OutputError
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.ledger import Ledger


def filled(path, count=5):
    with Ledger(path) as ledger:
        for i in range(count):
            ledger.append({"case": f"c{i}", "rows": [{"volume_mm3": i / 7}]})
    return path


def test_results_come_back_and_later_ones_win(tmp_path):
    path = filled(tmp_path / "ledger.jsonl")
    with Ledger(path) as ledger:
        assert "c3" in ledger
        assert "c9" not in ledger
        ledger.append({"case": "c3", "rows": []})
        assert ledger["c3"]["rows"] == []
    with Ledger(path) as ledger:
        assert ledger["c3"]["rows"] == []
        assert [record["case"] for record in ledger.records()] == ["c0", "c1", "c2", "c4", "c3"]
        assert ledger["c1"]["rows"][0]["volume_mm3"] == 1 / 7


def test_fresh_forgets(tmp_path):
    path = filled(tmp_path / "ledger.jsonl")
    with Ledger(path, fresh=True) as ledger:
        assert list(ledger.records()) == []


def test_cut_anywhere_it_opens_up_to_the_damage_and_goes_on(tmp_path):
    whole = filled(tmp_path / "whole.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    path = tmp_path / "cut.jsonl"
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Ledger(path) as ledger:
            kept = list(ledger.records())
            assert len(kept) == sum(end <= cut for end in ends)
            ledger.append({"case": "next"})
        with Ledger(path) as ledger:
            assert len(list(ledger.records())) == len(kept) + 1


@given(st.data())
def test_flipped_anywhere_it_opens_up_to_the_damage(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("ledger")
    whole = bytearray(filled(folder / "whole.jsonl").read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "flipped.jsonl").write_bytes(whole)
    with Ledger(folder / "flipped.jsonl") as ledger:
        kept = [record["case"] for record in ledger.records()]
    assert kept == [f"c{i}" for i in range(bytes(whole[:place]).count(b"\n"))]


def test_a_second_run_is_told(tmp_path):
    path = filled(tmp_path / "ledger.jsonl")
    code = (
        "import sys; from volumetry.study.runs.ledger import Ledger\n"
        "try: Ledger(sys.argv[1])\n"
        "except Exception as error: print(error)"
    )
    with Ledger(path):
        told = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
    assert "another run is writing" in told.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError) as caught:
        Ledger(tmp_path / "ledger.jsonl")
    assert caught.value.code == "read-only"


def test_full_disk_is_named(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with ledger:
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OutputError) as caught:
            ledger.sync()
    assert caught.value.code == "disk-full"


@pytest.mark.parametrize("kind", ["foreign", "link"])
def test_a_foreign_ledger_is_refused_before_anything_is_looked_for(tmp_path, monkeypatch, kind):
    (tmp_path / "out").mkdir()
    if kind == "link":
        (tmp_path / "out/ledger.jsonl").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "out/ledger.jsonl").write_text("my notes", encoding="utf-8")
    monkeypatch.setattr("volumetry.study.runs.batch.discover", lambda *_, **__: pytest.fail("looked"))
    (tmp_path / "study").mkdir()
    with pytest.raises(OutputError, match="read-only"):
        run_batch(tmp_path / "study", tmp_path / "out")
