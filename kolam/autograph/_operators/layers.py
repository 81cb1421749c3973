"""Keras objects: what a user wrote of them is converted while converted code or a step calls them.

An object with methods of the user's gets, for the time of a trace, a subclass of its class in which
they are converted. Keras calls `self.call`, `self.update_state` and the like, so it finds them.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from types import FunctionType, MethodType
from typing import Any

from kolam.autograph._operators.regions import Attribute, context, note_birth, note_write

Convert = Callable[[Any], Any]
IsUsers = Callable[[FunctionType], bool]

# what Keras calls while it traces a step
_METHODS = (
    *("__call__", "call", "train_step", "test_step", "predict_step"),
    *("compute_loss", "compute_metrics", "compute_loss_and_updates", "stateless_compute_loss"),
    *("update_state", "result", "update_step", "compute_mask", "get_initial_state"),
)
_KINDS = (
    *("layers.Layer", "losses.Loss", "metrics.Metric", "optimizers.Optimizer"),
    *("optimizers.schedules.LearningRateSchedule", "regularizers.Regularizer"),
    "constraints.Constraint",
)
_SUBCLASS = "_kolam_converted"


def is_keras(callee: Any) -> bool:
    """Whether what is called is a layer, loss, metric or the like of Keras, or a method of one."""
    if "keras" not in sys.modules or not hasattr(sys.modules["keras"], "Layer"):
        return False
    return isinstance(callee.__self__ if type(callee) is MethodType else callee, _kinds())


def calling(callee: Any, convert: Convert, is_users: IsUsers) -> Callable[..., Any]:
    """Give what calls an object of Keras with all that is the user's in it converted.

    Args:
        callee: A layer, a loss, a metric or the like, or a method of one.
        convert: Converts a function that a library will call.
        is_users: Tells whether a function is of the user, not of a library.
    """
    owner = callee.__self__ if type(callee) is MethodType else callee
    found = list(_exchanges(owner, convert, is_users))
    if not found:
        return callee

    @wraps(callee, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        with _exchanged(found):
            return callee(*args, **kwargs)

    return call


def has_users_code(model: Any, convert: Convert, is_users: IsUsers) -> bool:
    """Whether there is anything to convert in a model or in what it holds."""
    return next(_exchanges(model, convert, is_users), None) is not None


@contextmanager
def users_code(model: Any, convert: Convert, is_users: IsUsers) -> Iterator[None]:
    """Convert inside what is the user's in a model: its layers, losses, metrics, optimizer."""
    found = list(_exchanges(model, convert, is_users))
    with _exchanged(found) if found else ExitStack():
        yield


_Exchange = tuple[Any, str, Any]  # an object, the name of its attribute, what that is meanwhile


def _exchanges(model: Any, convert: Convert, is_users: IsUsers) -> Iterator[_Exchange]:
    known: dict[type, dict[str, FunctionType]] = {}  # a model has many layers of few classes
    for thing in _held_by(model):
        cls = type(thing)
        if _SUBCLASS in vars(cls):  # converted already, by a call around this one
            continue
        if cls not in known:
            methods = {name: inspect.getattr_static(cls, name, None) for name in _METHODS}
            own = {k: v for k, v in methods.items() if type(v) is FunctionType and is_users(v)}
            known[cls] = own
        if known[cls]:
            yield thing, "__class__", _subclass(cls, known[cls], convert)
        for name, value in list(vars(thing).items()):
            made = _converted(value, convert, is_users)
            if made is not value:
                yield thing, name, made


def _held_by(model: Any) -> Iterator[Any]:
    """Give a Keras object and all that it holds, each once."""
    kinds = _kinds()
    todo, seen = [model], set[int]()
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (list, tuple)):
            todo += thing
        elif isinstance(thing, dict):
            todo += thing.values()
        elif isinstance(thing, kinds):
            yield thing
            todo += vars(thing).values()


@cache
def _kinds() -> tuple[type, ...]:
    found = []
    for path in _KINDS:
        kind: Any = sys.modules["keras"]
        for name in path.split("."):
            kind = getattr(kind, name)
        found.append(kind)
    return tuple(found)


def _subclass(cls: type, methods: dict[str, FunctionType], convert: Convert) -> type:
    """Give a class that is `cls` with converted methods; the same one each time."""
    known = vars(cls).get("__kolam_subclass__")
    if known is None:
        body: dict[str, Any] = {k: watching_variables(convert(fn)) for k, fn in methods.items()}
        body |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__, _SUBCLASS: True}
        known = type(cls)(cls.__name__, (cls,), {**body, "__slots__": ()})
        type.__setattr__(cls, "__kolam_subclass__", known)
    return known


def _converted(value: Any, convert: Convert, is_users: IsUsers) -> Any:
    """Convert the functions among what an attribute holds; the value itself if there are none."""
    if type(value) is FunctionType and is_users(value):
        return convert(value)
    if isinstance(value, dict):
        made = {key: _converted(item, convert, is_users) for key, item in value.items()}
        return made if any(made[key] is not item for key, item in value.items()) else value
    if isinstance(value, list):
        items = [_converted(item, convert, is_users) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def watching_variables(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Let staged code in a method that Keras calls change Keras' variables."""

    @wraps(fn)
    def enter(*args: Any, **kwargs: Any) -> Any:
        _watch_scope()
        return fn(*args, **kwargs)

    return enter


@contextmanager
def _exchanged(found: list[_Exchange]) -> Iterator[None]:
    before = [(thing, name, getattr(thing, name)) for thing, name, _ in found]
    _exchange(found)
    try:
        with _plain_errors():
            yield
    finally:
        _exchange(before)


def _exchange(found: list[_Exchange]) -> None:
    for thing, name, value in found:
        if name == "__class__":
            object.__setattr__(thing, name, value)
        else:
            thing.__dict__[name] = value  # not through Keras, which tracks attributes


class Weight(Attribute):
    """The value of a Keras variable in the scope that collects what a call changes."""

    def __init__(self, scope: Any, variable: Any) -> None:
        # two variables may have one path
        super().__init__(scope, f"{variable.path} ({id(variable)})")
        self.variable = variable

    def read(self) -> Any:
        """Give the value, which is of the variable's own type."""
        known = self.target.state_mapping.get(id(self.variable))
        return self.variable._value if known is None else known

    def write(self, value: Any) -> None:
        """Set the value."""
        self.target.state_mapping[id(self.variable)] = value


def _watch_scope() -> None:
    """Let the open regions know of each variable that is about to change, by whomever."""
    scope = sys.modules["keras"].src.backend.common.stateless_scope.get_stateless_scope()
    if scope is None or "add_update" in vars(scope):
        return
    if context.regions and not any(id(scope) in region.born for region in context.regions):
        note_birth(scope)  # Keras opened it to make this call
    add_update = scope.add_update

    def add_noted_update(update: Any) -> None:
        if context.regions:
            note_write(Weight(scope, update[0]))
        add_update(update)

    scope.add_update = add_noted_update


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Keep Keras from making exceptions anew, which loses what they carry."""
    config = sys.modules["keras"].config
    before = config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        yield
    finally:
        if before:
            config.enable_traceback_filtering()
