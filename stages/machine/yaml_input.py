"""YAML that somebody else wrote: the part of the language that all readers agree on, within limits.

DVC reads params.yaml by YAML 1.2, PyYAML by 1.1, and they differ in ``off``, ``1e-3``, ``012`` and
``1:30``. Here a plain word is what DVC takes it for, and what DVC and others take for different
things must be written in another way. Limits hold before anything is built, so neither a huge file
nor one that grows by its aliases is ever in memory. Tags, and with them objects, are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from stages.machine.errors import UserError, shown
from stages.machine.reading import read_regular

Path = tuple[Any, ...]  # keys and positions from the root to a value

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # its events alone are used
DIGITS = 1000  # of an integer; Python's own limit is 4300
NULL = {"", "~", "null", "Null", "NULL"}
TRUE, FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)")
SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Numbers with '_', a leading 0, another base, or in sixties; dates; YAML 1.1's special words.
AMBIGUOUS = re.compile(
    r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]_[0-9_]*|[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?0x[0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*(?::[0-9]+)+(?:\.[0-9_]*)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?|=|<<"
)
# What YAML does not print, and the line ends of Unicode, which 1.1 alone takes for line ends.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
                         "\U00010000-\U0010ffff]")  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a file may need: bytes, values once its aliases are written out, levels."""

    size: int = 256 * 1024  # a study of 10,000 rounds
    nodes: int = 100_000
    depth: int = 32


@dataclass(frozen=True)
class Document:
    """A file's content, and what is wrong with single values of it.

    Attributes:
        value: of dict (keys are str), list, str, int, float, bool and None.
        faults: where and what, in the order of the file; ``value`` has there what DVC would read,
            or the text.
    """

    value: Any
    faults: list[tuple[Path, str]]


def read(path: File, limits: Limits = Limits(), follow: bool = True) -> Any:
    """The content of a file.

    Args:
        follow: whether a link may lead to it.

    Raises:
        UserError: it cannot be read, is not YAML, is beyond ``limits``, or has faults: all of them.
    """
    document = read_document(path, limits, follow)
    if document.faults:
        raise UserError(*(f"{path}: {fault}" for _, fault in document.faults))
    return document.value


def read_document(path: File, limits: Limits = Limits(), follow: bool = True) -> Document:
    """The content of a file, with the faults of single values beside it.

    Raises:
        UserError: it cannot be read, is not YAML, or is beyond ``limits``.
    """
    content = read_regular(path, limits.size, follow)
    try:
        return parse(content, limits)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(content: bytes, limits: Limits = Limits()) -> Document:
    """As :func:`read_document`, of bytes."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"not a text file in UTF-8 (byte {error.start})") from None
    if odd := UNPRINTABLE.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise UserError(f"not valid YAML in line {line}: character U+{ord(odd.group()):04X}")
    builder = _Builder(limits)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise UserError(f"not valid YAML{where}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # such as "\U99999999"
        raise UserError(f"not valid YAML: {error}") from None
    return Document(builder.root, builder.faults)


def resolve(text: str) -> tuple[Any, str]:
    """What a plain word means, and what is wrong with it ("" for nothing)."""
    if text in NULL:
        return None, ""
    if text in TRUE or text in FALSE:
        return text in TRUE, ""
    if INTEGER.fullmatch(text):
        if len(text) > DIGITS:
            return 0, f"a number of {len(text)} digits; allowed: up to {DIGITS}"
        return int(text), ""
    if len(text) <= DIGITS and FLOAT.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return float(text), ""
    if SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1)), ""
    if AMBIGUOUS.fullmatch(text):
        return text, (
            f"{shown(text)} means different things to different readers of YAML; write a number "
            f"in plain decimals, and text in quotes"
        )
    return text, ""


@dataclass
class _Node:
    """A finished value."""

    value: Any
    line: int
    size: int = 1  # values in it, aliases written out
    height: int = 0  # levels in it
    merges: bool = False  # whether it is the key '<<'


@dataclass
class _Open:
    """A mapping or sequence whose end has not come yet."""

    node: _Node
    path: Path
    anchor: str | None
    key: _Node | None = None
    lines: dict[str, int] = field(default_factory=dict)  # of the keys of a mapping
    merged: list[dict[str, Any]] = field(default_factory=list)  # what '<<' names, first come first


class _Builder:
    """From events to values, with a stack of its own: no nesting can exhaust Python's."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.root: Any = None
        self.faults: list[tuple[Path, str]] = []
        self.total = self.documents = 0
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Node] = {}

    def take(self, event: yaml.Event) -> None:
        """Add what an event says."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise UserError(f"a second document begins in line {line}; allowed: one")
            if event.version or event.tags:
                raise UserError(f"a directive (%) in line {line}; allowed: none")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()

    def _alias(self, name: str, line: int) -> None:
        if name not in self.anchors:
            raise UserError(
                f"alias *{name[:80]} in line {line} names nothing that stands before it"
            )
        node = self.anchors[name]
        self._count(node.size, node.height, line)
        self._add(_Node(node.value, line, node.size, node.height))

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._count(1, 0, line)
        node = _Node(event.value, line)
        where = (*self._here(), event.value) if self._awaits_key() else self._here()
        if bad := re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", event.value):
            self._fault(line, f"character U+{ord(bad.group()):04X} in a value", where)
        if event.tag is not None:
            self._fault(line, f"tag {shown(event.tag)}; allowed: none", where)
        elif not event.style:
            if event.value == "<<" and self._awaits_key():
                node.merges = True
            else:
                node.value, problem = resolve(event.value)
                if problem:
                    self._fault(line, problem, where)
        if event.anchor:
            self.anchors[event.anchor] = node
        self._add(node)

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self._count(1, 1, line)
        if self._awaits_key():
            raise UserError(f"line {line}: a key that is no word; allowed: a name")
        if event.tag is not None:
            self._fault(line, f"tag {shown(event.tag)}; allowed: none", self._here())
        value = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.anchors.pop(event.anchor, None)  # until its end it names nothing
        self.stack.append(_Open(_Node(value, line), self._here(), event.anchor))

    def _close(self) -> None:
        done = self.stack.pop()
        for mapping in done.merged:
            for key, value in mapping.items():
                done.node.value.setdefault(key, value)
        if done.anchor:
            self.anchors[done.anchor] = done.node
        self._add(done.node)

    def _add(self, node: _Node) -> None:
        if not self.stack:
            self.root = node.value
            return
        into = self.stack[-1]
        into.node.size += node.size
        into.node.height = max(into.node.height, node.height + 1)
        if isinstance(into.node.value, list):
            into.node.value.append(node.value)
        elif into.key is None:
            into.key = self._key(node, into)
        else:
            key, into.key = into.key, None
            if key.merges:
                into.merged += self._merged(node)
            else:
                into.node.value[key.value] = node.value

    def _key(self, node: _Node, into: _Open) -> _Node:
        if isinstance(node.value, (dict, list)):
            raise UserError(f"line {node.line}: a key that is no word; allowed: a name")
        key = _Node(str(node.value), node.line, merges=node.merges)
        where = (*into.path, key.value)
        if not isinstance(node.value, str):
            self._fault(
                node.line, f"key {shown(node.value)} is no text; put it in quotes, '...'", where
            )
        if key.value in into.lines:
            first = into.lines[key.value]
            self._fault(
                node.line, f"key {shown(key.value)} is in line {first} already; keep one", where
            )
        into.lines.setdefault(key.value, node.line)
        return key

    def _merged(self, node: _Node) -> list[dict[str, Any]]:
        mappings = node.value if isinstance(node.value, list) else [node.value]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            raise UserError(f"line {node.line}: '<<' takes mappings alone, such as <<: *name")
        return mappings

    def _awaits_key(self) -> bool:
        return bool(self.stack) and (
            isinstance(self.stack[-1].node.value, dict) and self.stack[-1].key is None
        )

    def _here(self) -> Path:
        """Where the next value goes; of a key, its mapping."""
        if not self.stack:
            return ()
        into = self.stack[-1]
        if isinstance(into.node.value, list):
            return (*into.path, len(into.node.value))
        return into.path if into.key is None else (*into.path, into.key.value)

    def _count(self, nodes: int, height: int, line: int) -> None:
        self.total += nodes
        if self.total > self.limits.nodes:
            raise UserError(
                f"more than {self.limits.nodes} values, aliases written out, up to line {line}"
            )
        if len(self.stack) + height > self.limits.depth:
            raise UserError(f"more than {self.limits.depth} levels in line {line}")

    def _fault(self, line: int, problem: str, where: Path) -> None:
        self.faults.append((where, f"line {line}: {problem}"))
