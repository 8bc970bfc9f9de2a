"""YAML by hand: what DVC reads or a fault with its line, and nothing else, whatever the file."""

from __future__ import annotations

import os
import time

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import example, given
from hypothesis import strategies as st
from study import REPO

from stages.machine import yaml_input
from stages.machine.errors import UserError
from stages.machine.yaml_input import Limits, parse, resolve


def faults(text: str | bytes, **limits: int) -> list[str]:
    """What is wrong with a file of this text."""
    try:
        found = parse(text if isinstance(text, bytes) else text.encode(), Limits(**limits))
    except UserError as error:
        return list(error.faults)
    return [message for _, message in found.faults]


@pytest.mark.parametrize("path", [REPO / "params.yaml", *sorted((REPO / "studies").glob("*.yaml"))])
def test_the_files_of_this_repository_read_as_two_libraries_read_them(path):
    text = path.read_text(encoding="utf-8")
    assert yaml_input.read(path) == yaml.safe_load(text) == parse_yaml(text, path)


def test_a_lock_file_reads_as_two_libraries_read_it():
    path = REPO / "dvc.lock"
    found = yaml_input.read(path, Limits(size=2**24, nodes=10**6))
    assert found == parse_yaml(path.read_text(encoding="utf-8"), path)


@given(st.text("0123456789_.eExob:+-aTyn~<= ", min_size=1, max_size=9))
@example("off")
@example("1e-3")
@example("1e400")
@example("-.5")
@example(".5e3")
@example("-_1")
@example("1_0")
@example("012")
@example("1:30")
@example("True")
@example("null")
@example("-.Inf")
@example(".nan")
def test_a_plain_word_is_what_dvc_takes_it_for_or_a_fault(word):
    try:
        theirs = parse_yaml(f"key: {word}\n", "params.yaml")["key"]
    except Exception:
        return
    found = parse(f"key: {word}\n".encode())
    if not found.faults:
        assert repr(found.value["key"]) == repr(theirs)


@pytest.mark.parametrize(
    "word",
    ["1_000", "012", "-07", "0o17", "0x1F", "0b101", "1:30", "190:20:30.15", "2001-01-01"]
    + ["2001-13-45", "2001-01-01 10:00:00", "=", "1_0.5", ".5e3"],
)
def test_words_that_readers_differ_on_are_faults_with_their_line(word):
    assert faults(f"a: 1\nb: {word}\n") == [
        f"line 2: {word!r} means different things to different readers of YAML; write a number in "
        f"plain decimals, and text in quotes"
    ]
    assert faults(f"b: '{word}'") == []


@pytest.mark.parametrize(
    ("word", "value"),
    [("off", "off"), ("yes", "yes"), ("1e-3", 0.001), ("1E5", 1e5), ("-.5", -0.5), ("3x3", "3x3")]
    + [("~", None), ("", None), ("TRUE", True), ("+5", 5), ("5.", 5.0), (".inf", float("inf"))],
)
def test_what_yaml_1_2_says_holds_where_pyyaml_says_otherwise(word, value):
    assert resolve(word) == (value, "")
    assert type(resolve(word)[0]) is type(value)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "more than 100000 values, aliases written out, up to line 15"),
        ("a: &a [" + "1, " * 1000 + "1]\nb: [" + "*a, " * 200 + "*a]", "more than 100000 values"),
        ("[" * 3000, "more than 32 levels in line 1"),
        ("- " * 3000 + "x", "more than 32 levels in line 1"),
        ("{a: " * 3000, "more than 32 levels in line 1"),
        ("".join(f"{' ' * n}a:\n" for n in range(3000)), "more than 32 levels in line 33"),
        (f"a: &a {'[' * 20}{']' * 20}\nb: {'[' * 20}*a{']' * 20}", "more than 32 levels in line 2"),
        ("a: &a [*a]", "alias *a in line 1 names nothing that stands before it"),
        ("a: &x 1\nb: &x {c: *x}", "alias *x in line 2 names nothing that stands before it"),
        ("a: *b", "alias *b in line 1 names nothing that stands before it"),
        ("a: " + "9" * 10_000, "line 1: a number of 10000 digits; allowed: up to 1000"),
        ("a: 1\na: 2\n", "line 2: key 'a' is in line 1 already; keep one"),
        ("x: {b: 1,\n\n b: 1}", "line 3: key 'b' is in line 1 already; keep one"),
        ("1: 2", "line 1: key 1 is no text; put it in quotes, '...'"),
        ("true: 2", "line 1: key True is no text; put it in quotes, '...'"),
        ("~: 2", "line 1: key None is no text; put it in quotes, '...'"),
        ("[a]: 2", "line 1: a key that is no word; allowed: a name"),
        ("? {a: b}\n: 2", "line 1: a key that is no word; allowed: a name"),
        ("a: &k [1]\n*k : 2", "line 2: a key that is no word; allowed: a name"),
        ("a: !!python/object/apply:os.system ['true']", "line 1: tag 'tag:yaml.org,2002:python"),
        ("a: !!str 5", "line 1: tag 'tag:yaml.org,2002:str'; allowed: none"),
        ("a: !<", "not valid YAML in line 1: "),
        ("a: !nope!b 5", "not valid YAML in line 1: found undefined tag handle"),
        ("a: !!timestamp 2001-99-99", "line 1: tag 'tag:yaml.org,2002:timestamp'"),
        ("a: 1\n---\nb: 2", "a second document begins in line 2; allowed: one"),
        ("%YAML 1.1\n---\na: off", "a directive (%) in line 1; allowed: none"),
        ("a:\n\t- 1", "not valid YAML in line 2: found character that cannot start any token"),
        ("a: [1", "not valid YAML in line 2: did not find expected"),
        ("a: b: c", "not valid YAML in line 1: mapping values are not allowed in this context"),
        ("a: \0", "not valid YAML in line 1: character U+0000"),
        ("a: 1\nb: \x07", "not valid YAML in line 2: character U+0007"),
        ("\ufeffa: 1", "not valid YAML in line 1: character U+FEFF"),
        ("a: x\u2028b: 2", "not valid YAML in line 1: character U+2028"),
        ('a: "\\0"', "line 1: character U+0000 in a value"),
        ('a: "\\ud800"', "not valid YAML in line 1: "),
        ('a: "\\U99999999"', "not valid YAML in line 1: "),
        ("a: 1".encode("utf-16"), "not a text file in UTF-8 (byte 0)"),
        (b"a: \xff", "not a text file in UTF-8 (byte 3)"),
        ("<<: 5", "line 1: '<<' takes mappings alone, such as <<: *name"),
    ],
    ids=lambda value: repr(value[:25]),
)
def test_hostile_yaml_is_one_line_at_once(text, said):
    start = time.process_time()
    found = faults(text)
    assert len(found) == 1 and found[0].startswith(said), found
    assert "\n" not in found[0] and len(found[0]) < 200
    assert time.process_time() - start < 5


def test_all_faults_of_values_are_told_and_where_they_are():
    found = parse(b"a: 012\nb: [x, 1_0]\nb: 3\nc: !!int 5\n2: 1\n")
    assert [where for where, _ in found.faults] == [("a",), ("b", 1), ("b",), ("c",), ("2",)]
    assert [message.split(":")[0] for _, message in found.faults] == [
        f"line {n}" for n in (1, 2, 3, 4, 5)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1, y: [2]}\nb: *a\nc: {<<: *a, x: 5}\nd: {z: 0, <<: [*a, {x: 7, w: 8}]}",
        "a: &k name\n*k : 5",
        "a: |\n  two\n  lines\nb: >\n  folded\n  lines\nc: 'it''s'\nd: \"\\x41\"",
        "- 1\n- [2, [3]]\n- {a: {b: c}}",
        "# nothing\n",
    ],
)
def test_aliases_merges_and_styles_read_as_two_libraries_read_them(text):
    found = parse(text.encode())
    assert not found.faults
    assert (found.value or {}) == (yaml.safe_load(text) or {}) == parse_yaml(text, "params.yaml")


@given(
    st.binary(max_size=60) | st.text("ab:&*-[]{}<,!|>'\"\n ?#%@0\\", max_size=40).map(str.encode)
)
def test_any_bytes_give_a_value_or_a_user_error(content):
    try:
        parse(content)
    except UserError as error:
        assert len(error.faults) == 1 and "\n" not in str(error)


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "long").write_text("a: 1\n" + "#" * 300_000)
    for name, said in (
        ("missing", "missing"),
        ("folder", "is a folder, not a regular file"),
        ("pipe", "is a FIFO, not a regular file"),
        ("device", "is a device, not a regular file"),
        ("loop", "cannot be read (Too many levels of symbolic links"),
        ("long", "larger than 262144 bytes"),
        ("x" * 300, "cannot be read (File name too long"),
        ("a\0b", "cannot be read ("),
        ("long/below", "missing"),
    ):
        with pytest.raises(UserError) as raised:
            yaml_input.read(tmp_path / name)
        assert str(raised.value).startswith(f"{tmp_path / name}: {said}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_not_called_missing(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read .Permission denied"):
        yaml_input.read(path)


def test_a_file_that_the_system_refuses_is_not_called_missing(tmp_path, monkeypatch):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1")
    error = PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr("os.open", lambda *arguments: (_ for _ in ()).throw(error))
    with pytest.raises(UserError) as raised:
        yaml_input.read(path)
    assert str(raised.value) == f"{path}: cannot be read (Permission denied)"
