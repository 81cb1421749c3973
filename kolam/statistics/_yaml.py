"""YAML with the line of every value, so that an error can point at it."""

import math
from dataclasses import dataclass
from difflib import get_close_matches

import yaml

from kolam.core import InvalidArgumentError, UnknownNameError


def read_yaml(text: str) -> "Place":
    """Parse a YAML text into places.

    Raises:
        InvalidArgumentError: The text is no YAML, is empty, or uses anchors.
    """
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InvalidArgumentError(
            f"The schema is not YAML: {line}{problem}.",
            how="Check indentation, colons and quotes on that line.",
        ) from error
    if node is None:
        raise InvalidArgumentError(
            "The schema is empty.", how="Write one with kl.statistics.infer_schema(profile)."
        )
    return Place(node, "the schema")


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a YAML text: its node, and the path of keys that leads to it."""

    node: yaml.Node
    path: str

    def error(self, what: str, how: str) -> InvalidArgumentError:
        """Make an error that names the line and the path."""
        line = self.node.start_mark.line + 1
        return InvalidArgumentError(f"Schema, line {line}, {self.path}: {what}.", how=how)

    def items(self) -> list[tuple[str, "Place"]]:
        """Give keys and values of a mapping."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("keys and values are needed here", "Write key: value.")
        found: dict[str, Place] = {}
        for key_node, value_node in self.node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.error("a key is not a plain word", "Write key: value.")
            key = key_node.value
            place = Place(value_node, key if self.path == "the schema" else f"{self.path}.{key}")
            if key in found:
                line = key_node.start_mark.line + 1
                raise InvalidArgumentError(
                    f"Schema, line {line}, {place.path}: the key comes twice.",
                    how="Keep one of them.",
                )
            found[key] = place
        return list(found.items())

    def mapping(self, known: tuple[str, ...]) -> dict[str, "Place"]:
        """Give keys and values of a mapping whose keys are all in `known`."""
        entries = dict(self.items())
        for key, place in entries.items():
            if key not in known:
                near = get_close_matches(key, known, n=2, cutoff=0.5)
                hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
                raise UnknownNameError(
                    f"Schema, line {place.node.start_mark.line + 1}, {self.path}: "
                    f"there is no key {key!r}.",
                    how=f"{hint}There are: {', '.join(known)}.",
                )
        return entries

    def sequence(self) -> list["Place"]:
        """Give the items of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("a list is needed here", "Write [first, second].")
        return [Place(item, f"{self.path}[{i}]") for i, item in enumerate(self.node.value)]

    def is_null(self) -> bool:
        """Whether the value is null."""
        return self.node.tag == "tag:yaml.org,2002:null"

    def text(self) -> str:
        """Give a string; a number or a date written without quotes is taken as it stands."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.error("a word is needed here", "Write one word or a text in quotes.")
        return str(self.node.value)

    def choice(self, choices: tuple[str, ...]) -> str:
        """Give a string that is one of `choices`."""
        text = self.text()
        if text not in choices:
            near = get_close_matches(text, choices, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise self.error(f"{text!r} is no choice", f"{hint}Write one of {', '.join(choices)}.")
        return text

    def number(self) -> float:
        """Give a finite number."""
        text = self.text()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"{text!r} is not a number", "Write a number such as 12 or 0.5.")
        return value

    def share(self) -> float:
        """Give a number from 0 to 1."""
        value = self.number()
        if not 0 <= value <= 1:
            raise self.error(f"{self.text()} is not between 0 and 1", "Write 0.05 for 5 %.")
        return value

    def whole(self) -> int:
        """Give a whole number of at least 0."""
        text = self.text()
        if not text.isdecimal():
            raise self.error(f"{text!r} is no whole number", "Write a number such as 100.")
        return int(text)

    def boolean(self) -> bool:
        """Give true or false."""
        return self.choice(("true", "false")) == "true"
