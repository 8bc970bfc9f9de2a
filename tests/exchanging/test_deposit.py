"""A deposit: the same bytes always, sound by its own check, and known to others' readers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from deposits import export, grown, unpacked
from study import REPO

from stages.exchanging import anonymous, crate, listed, metadata
from stages.exchanging import check as own_check
from stages.machine.errors import UserError
from stages.reporting.read import provenance, records
from stages.study import ledger
from stages.study.layout import Layout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("grown")
    grown(root, strategies=["random", "margin"])
    return root


@pytest.fixture(scope="module")
def files(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return export(study, tmp_path_factory.mktemp("out") / "deposit.zip")


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """The deposit without its code, which its check does not read."""
    kept = {name: content for name, content in files.items() if not name.startswith("stages/")}
    lines = kept["manifest-sha256.txt"].decode().splitlines(keepends=True)
    kept["manifest-sha256.txt"] = "".join(
        line for line in lines if not line[66:].startswith("stages/")
    ).encode()
    return unpacked(kept, tmp_path / "deposit")


def graph(files: dict[str, bytes]) -> dict[str, dict]:
    return {one["@id"]: one for one in json.loads(files[crate.NAME])["@graph"]}


def references(value: dict | list) -> list[str]:
    return [one["@id"] for one in ([value] if isinstance(value, dict) else value)]


def test_the_same_study_gives_the_same_bytes(study, files, tmp_path):
    target = tmp_path / "again.zip"
    assert export(study, target) == files
    with zipfile.ZipFile(target) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted(files)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}


def test_what_is_in_it(study, files):
    for name in ("splits/digits/margin/seed-0/round-end.txt", "params.yaml", "dvc.yaml", "LICENSE",
                 "reports/report.md", "data/digits/manifest.json", "stages/round.py", "check.py",
                 "data/recipes/margin.json", "requirements.lock", "docs/ledger.md"):  # fmt: skip
        assert name in files, name
    assert not [name for name in files if name.endswith((".npy", ".npz", ".pyc"))]
    assert not [name for name in files if "/." in name or name.startswith((".", "artifacts"))]
    named = dict(reversed(line.split("  ", 1)) for line in
                 files["manifest-sha256.txt"].decode().splitlines())  # fmt: skip
    assert named == {name: ledger.digest(content) for name, content in files.items()
                     if name != "manifest-sha256.txt"}  # fmt: skip


def test_arrays_only_where_they_are_asked_for(study, tmp_path):
    files = export(study, tmp_path / "a.zip", "--data")
    assert sum(name.endswith(".npy") for name in files) == 4
    assert "arrays are in this deposit" in files["licenses.md"].decode()


def test_the_fingerprint_is_that_of_the_report(study, files):
    from stages.study.settings import load

    seals = records.read_fingerprints(load(study / "params.yaml"), study)
    due = provenance.study_fingerprint(seals)
    citation = yaml.safe_load(files["CITATION.cff"])
    assert citation["identifiers"][-1]["value"] == f"sha256:{due}"
    assert due == ledger.digest(files["seals.txt"])
    assert citation["title"] and citation["cff-version"] == "1.2.0"


def test_its_check_needs_numpy_alone_and_finds_it_sound(files, tmp_path):
    root = unpacked(files, tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", "check.py"], cwd=root, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert re.search(r"^\d+ files, 2 chains, 6 results, 0 faults; fingerprint ", done.stdout)
    loaded = set(re.findall(r"\| +(\w+)(?:\.\S+)?$", done.stderr, re.MULTILINE))
    assert "numpy" in loaded
    foreign = loaded - set(sys.stdlib_module_names) - {"numpy", "sitecustomize", "zipimport"}
    assert not {name for name in foreign if not name.startswith("_")} - {"org"}  # Jython's


def changed(folder: Path, name: str, old: str, new: str, keep_manifest: bool) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text, name
    path.write_text(text.replace(old, new, 1))
    if keep_manifest:
        return
    manifest = folder / "manifest-sha256.txt"
    lines = [
        f"{ledger.digest(path.read_bytes())}  {name}" if line.endswith(f"  {name}") else line
        for line in manifest.read_text().splitlines()
    ]
    manifest.write_text("\n".join(lines) + "\n")


CHAIN, SHARED = "splits/digits/margin/seed-0", "splits/digits/seed-0"
RECORD = "reports/rounds/digits/margin/seed-0/round-1.json"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (RECORD, '"correct": ', '"correct": 1', "changed after the run was sealed"),
        (RECORD, '"accuracy": 0.', '"accuracy": 0.9', "accuracy comes to"),
        (RECORD, '"labeled": 18', '"labeled": 19', "labeled comes to 18"),
        (f"{CHAIN}/round-1.txt", "# total: 18", "# total: 17", "total is 17"),
        (f"{CHAIN}/round-1.txt", "# strategy: margin", "# strategy: random", "another run"),
        (f"{CHAIN}/round-1.txt", "# count: 6", "# count: 5", "holds 6 rows, says 5"),
        (f"{CHAIN}/round-2.txt", "# parent: round-1.txt sha256:", "# parent: round-1.txt sha256:0",
         "its parent has changed"),
        (f"{SHARED}/initial.txt", "# rows: 1438", "# rows: 1439", "about other data"),
        ("index_sets.csv", "validation,0,", "validation,1,", "index_sets.csv: not what"),
        ("results.csv", "digits,margin,0,0,12", "digits,margin,0,0,13", "results.csv: not what"),
        ("CITATION.cff", "sha256:", "sha256:0", "does not name the fingerprint"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keep_manifest", [True, False])
def test_its_check_sees_what_was_changed(folder, capsys, name, old, new, message, keep_manifest):
    changed(folder, name, old, new, keep_manifest)
    assert own_check.main(folder) == 1
    said = capsys.readouterr().err
    assert message in said and (f"{name}: changed\n" in said) == keep_manifest


def test_its_check_sees_rows_taken_twice(folder, capsys):
    path, other = (folder / CHAIN / f"round-{n}.txt" for n in (1, 2))
    row = path.read_text().splitlines()[-1]
    lines = other.read_text().splitlines()
    other.write_text("\n".join([*lines[:-1], row]) + "\n")
    held = (folder / SHARED / "validation.txt").read_text().splitlines()[-1]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], held, lines[-1]]) + "\n")
    assert own_check.main(folder) == 1
    said = capsys.readouterr().err
    assert "a row was taken twice" in said and "a row of the validation set was labeled" in said


def test_its_check_sees_what_is_missing_and_what_is_new(folder, capsys):
    (folder / RECORD).unlink()
    (folder / CHAIN / "round-9.txt").write_text("x\n")
    assert own_check.main(folder) == 1
    said = capsys.readouterr().err
    assert f"{RECORD}: missing" in said and "round-9.txt: not part of the deposit" in said
    shutil.rmtree(folder / "splits")
    assert own_check.main(folder) == 1


def test_an_action_for_each_stage_with_code_inputs_and_outputs(files):
    known = graph(files)
    actions = {name: one for name, one in known.items() if one["@type"] == "CreateAction"}
    for name in ("#recipes", "#prepare@digits", "#protocol@digits", "#split@digits-0",
                 "#start@digits-margin-0", "#round@digits-margin-0-round2", "#report",
                 "#study"):  # fmt: skip
        assert name in actions, name
    assert len(actions) == 5 + 2 + 6 + 1
    assert {one["@id"] for one in known["./"]["mentions"]} == set(actions)
    one = actions["#round@digits-margin-0-round1"]
    assert one["instrument"] == {"@id": "stages/round.py"}
    read, wrote = (set(references(one[key])) for key in ("object", "result"))
    assert {"data/recipes/margin.json", f"{CHAIN}/round-1.txt"} <= read
    assert {f"{CHAIN}/round-2.txt", RECORD} <= wrote
    assert known[RECORD]["sha256"] == ledger.digest(files[RECORD])
    assert known["#artifacts/digits/margin/seed-0/round-2"]["@type"] == "PropertyValue"
    assert one["startTime"] <= one["endTime"] and one["endTime"].endswith("+00:00")
    assert "endTime" not in actions["#split@digits-0"]  # nobody has written it down
    for action in actions.values():
        for key in ("object", "result", "environment"):
            assert all(name in known for name in references(action.get(key, [])))


def test_without_times_nothing_is_made_up(study, files, tmp_path):
    root = tmp_path / "clone"
    shutil.copytree(study, root, ignore=shutil.ignore_patterns("artifacts", "*.npy"))
    known = graph(export(root, tmp_path / "b.zip"))
    assert not [one for one in known.values() if "endTime" in one or "startTime" in one]
    assert set(known) == set(graph(files))


class Contexts:
    """In place of the network: the context that rocrate brings along."""

    def get(self, url, **_):
        import requests
        import rocrate

        found = requests.Response()
        found.url, found.status_code = url, 504
        if url == "https://w3id.org/ro/crate/1.1/context":
            path = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
            # It is that of 1.3, which has another address for one of the terms in use.
            moved, before = b"bioschemas.org/terms/Comp", b"bioschemas.org/Comp"
            found.status_code, found._content = 200, path.read_bytes().replace(moved, before)
            found.headers["Content-Type"] = "application/ld+json"
        return found

    head = get


@pytest.mark.slow
def test_the_validator_of_ro_crates_has_no_complaint(files, tmp_path, monkeypatch):
    services = pytest.importorskip(
        "rocrate_validator.services", reason="needs roc-validator (pip install roc-validator)"
    )
    from rocrate_validator import models
    from rocrate_validator.utils import http

    monkeypatch.setattr(http.HttpRequester, "_reconfigure", lambda *_, **__: None)
    monkeypatch.setattr(http.HttpRequester(offline=True), "session", Contexts())
    found = services.validate(
        models.ValidationSettings(
            rocrate_uri=str(unpacked(files, tmp_path / "deposit")),
            profile_identifier=f"workflow-run-crate-{crate.PROFILE}",
            requirement_severity=models.Severity.REQUIRED,
            offline=True,
        )
    )
    assert found.passed(), [issue.message for issue in found.get_issues()]


def test_croissant_is_read_by_its_makers(files, tmp_path):
    reader = pytest.importorskip("mlcroissant", reason="needs mlcroissant")
    folder = unpacked(
        {name: files[name] for name in files if name.endswith((".csv", "croissant.json"))},
        tmp_path / "deposit",
    )
    read = reader.Dataset(jsonld=str(folder / "croissant.json"))
    assert not read.metadata.issues.errors and not read.metadata.issues.warnings
    sets = [tuple(row.values()) for row in read.records("index_sets")]
    assert len(sets) == 2 * (5 + 12 + 6 + 6)
    results = list(read.records("results"))
    assert len(results) == 6 and results[0]["results/labeled"] == 12
    said = [row["data/license"] for row in read.records("data")]
    assert said == [b"CC BY 4.0"]


def test_the_tables_are_the_chains(study, files):
    lines = files["index_sets.csv"].decode().splitlines()[1:]
    own = [line.split(",") for line in lines if line.startswith("digits,margin,0,")]
    chain = ledger.walk(Layout(study).link("digits", "margin", 0, "end"))
    assert [int(one[5]) for one in own if one[3] == "initial"] == chain.initial.indices.tolist()
    assert [int(one[5]) for one in own if one[3] == "round-2"] == chain.links[2].indices.tolist()
    assert listed.as_csv(["a"], [["x,y"]]) == b'a\n"x,y"\n'


def test_codemeta_and_licenses(files):
    said = json.loads(files["codemeta.json"])
    assert said["@context"] == "https://w3id.org/codemeta/3.0" and said["name"] == "aledger"
    assert said["license"] == "https://spdx.org/licenses/MIT"
    assert any(item.startswith("torch>=") for item in said["softwareRequirements"])
    text = files["licenses.md"].decode()
    assert (
        "| digits | digits | CC BY 4.0 |" in text and "The images are not in this deposit" in text
    )
    person = metadata._person({"given-names": "A", "family-names": "B", "orcid": "o"}, 0)
    assert person["name"] == "A B" and person["@type"] == "Person"


def test_a_study_with_faults_is_not_given_away(study, tmp_path, capsys):
    root = tmp_path / "bad"
    shutil.copytree(study, root, ignore=shutil.ignore_patterns("artifacts", "*.npy"))
    path = root / RECORD
    path.write_text(path.read_text().replace('"correct": ', '"correct": 1'))
    with pytest.raises(SystemExit):
        export(root, tmp_path / "bad.zip")
    assert "the study has" in capsys.readouterr().err and not (tmp_path / "bad.zip").exists()
    with pytest.raises(SystemExit):
        export(study, tmp_path / "bad.zip", "--profile", "0.6")
    assert "--profile is '0.6'; did you mean '0.5'" in capsys.readouterr().err


SECRETS = ["Jane Q. Doe", "jane.doe@example.org", "git@forge.example.org:janedoe/secret-al.git",
           "janedoe/secret-al", "0000-0002-1825-0097", "Doe Institute"]  # fmt: skip


def identified(study: Path, root: Path) -> Path:
    """The study in a repository that says whose it is."""
    shutil.copytree(study, root, ignore=shutil.ignore_patterns("*.npy"))
    name, mail, remote, _, orcid, place = SECRETS
    given, family = name.rsplit(" ", 1)
    author = {"given-names": given, "family-names": family, "email": mail, "orcid": orcid}
    known = {"cff-version": "1.2.0", "title": "A study",
             "authors": [author | {"affiliation": place}],
             "repository-code": "https://forge.example.org/janedoe/secret-al"}  # fmt: skip
    (root / "CITATION.cff").write_text(yaml.safe_dump(known))
    (root / "LICENSE").write_text(f"MIT License\n\nCopyright (c) 2026 {name}\n")
    text = (REPO / "pyproject.toml").read_text()
    people = f'authors = [{{name = "{name}", email = "{mail}"}}]\n'
    (root / "pyproject.toml").write_text(text.replace("readme =", people + "readme =", 1))
    (root / "README.md").write_text(f"By {name.upper()}, {root.resolve()}, {Path.home()}/x\n")
    git = ["git", "-C", str(root), "-c", f"user.name={name}", "-c", f"user.email={mail}"]
    for command in (["init", "-q"], ["remote", "add", "origin", remote], ["add", "params.yaml"],
                    ["-c", "commit.gpgsign=false", "commit", "-qm", "x"]):  # fmt: skip
        subprocess.run([*git, *command], check=True, capture_output=True)
    return root


def test_nothing_in_an_anonymous_deposit_says_whose_it_is(study, tmp_path, monkeypatch):
    import getpass
    import socket

    monkeypatch.setenv("HOME", "/home/janed")
    root = identified(study, tmp_path / "jd")
    target = tmp_path / "a.zip"
    plain = b"".join(export(root, tmp_path / "named.zip").values())
    assert b"Jane Q. Doe" in plain and SECRETS[2].encode() not in plain
    files = export(root, target, "--anonymous")
    whole = target.read_bytes().lower()
    home = [str(Path.home()), f"/home/{getpass.getuser()}", socket.gethostname()]
    for secret in [*SECRETS, str(root.resolve()), str(REPO), *home]:
        found = re.search(rb"(?<![a-z0-9_])" + re.escape(secret.lower().encode()), whole)
        assert len(secret) < 4 or secret == "/root" or not found, secret
    folder = unpacked(files, tmp_path / "open")
    assert own_check.main(folder) == 0
    assert yaml.safe_load(files["CITATION.cff"])["authors"] == [{"name": "Anonymous"}]
    assert b"By anonymous, anonymous, anonymous/x" in files["README.md"]


def test_a_pinned_file_with_a_name_is_refused(study, tmp_path, capsys):
    root = identified(study, tmp_path / "jd")
    shutil.copytree(REPO / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "stages/mine.py").write_text('"""By Jane Q. Doe."""\n')
    with pytest.raises(SystemExit):
        export(root, tmp_path / "a.zip", "--anonymous")
    assert "stages/mine.py holds 'Jane Q. Doe'" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


def test_names_are_words():
    assert anonymous.scrubbed({"a.md": b"Ann, Annex ann"}, ["Ann"]) == {
        "a.md": b"anonymous, Annex anonymous"
    }
    assert {"forge.org/a/b", "a/b"} <= anonymous._of_remote("https://x:y@forge.org/a/b.git")
    with pytest.raises(UserError, match="a.md holds 'Annex'"):
        anonymous.check({"a.md": b"Annex"}, ["Annex"])


@pytest.mark.slow
def test_one_run_again_from_the_deposit_byte_for_byte(files, tmp_path):
    """In a folder of its own, by the deposit's code alone."""
    root = unpacked(files, tmp_path / "deposit")
    again = [
        ["stages.prepare", "--task", "digits"],
        ["stages.chain", "--task", "digits", "--strategy", "margin", "--seed", "0", "--root",
         "again", "--inputs", "."],
    ]  # fmt: skip
    for command in again:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=root, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in [name for name in files if "margin/seed-0/" in name]:
        assert (root / "again" / name).read_bytes() == files[name], name
