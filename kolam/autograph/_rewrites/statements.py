"""Statements become calls of operators; suites become functions that share the user's variables."""

import ast
import copy
from collections.abc import Iterable, Sequence
from typing import Any

from kolam.autograph._analysis import (
    bound_names,
    captured_names,
    contains,
    declared,
    live_before,
    loop_head,
    parameters,
    read_names,
    uncertain_names,
)
from kolam.autograph._rewrites.build import (
    assign,
    load,
    names,
    no_arguments,
    operator,
    store,
    thunk,
)
from kolam.autograph._rewrites.comprehensions import lower_comprehensions
from kolam.autograph._rewrites.expressions import Expressions, Lambdas
from kolam.autograph._rewrites.generators import (
    factory_of,
    generator_facts,
    join_yields,
    pushing,
)
from kolam.autograph._rewrites.jumps import RESULT, lower_jumps
from kolam.autograph._rewrites.lending import (
    Lending,
    given_names,
    hand_back,
    handed_back,
    lent_by,
    renewals,
)
from kolam.autograph._rewrites.looks import (
    VIEWS_IN_ATTRIBUTES,
    owner_name,
    second_names,
    uses_in_match,
    without_slices,
)
from kolam.autograph._rewrites.mutations import CALLS, lower_mutations
from kolam.autograph._rewrites.patterns import is_of_match, lower_match
from kolam.autograph._rewrites.rows import mark_rows, mark_views, rows_in, stored_row
from kolam.autograph._rewrites.trials import STAYS, rewrite_trial


def rewrite_function(
    node: ast.FunctionDef,
    class_name: str,
    outer_uncertain: set[str] = frozenset(),  # type: ignore[assignment]
) -> None:
    """Rewrite a function in place.

    Args:
        node: The function; its decorators stay.
        class_name: Name of the class it stands in, for private names; or empty.
        outer_uncertain: Names of the function around that may lack a value.
    """
    hidden = bound_names(node.body) | set(parameters(node))
    kept = hidden - declared(node.body, ast.Global) - declared(node.body, ast.Nonlocal)
    node.body = lower_comprehensions(node.body, hidden, declared(node.body, ast.Global))
    is_generator = contains(node.body, (ast.Yield, ast.YieldFrom))
    # before the jumps are lowered it is plain that a name is bound where no path has returned
    unsafe = uncertain_names(node.body, parameters(node))
    lower_match(node)
    lower_mutations(node)
    mark_rows(node)
    mark_views(node)
    written = [] if is_generator else handed_back(node)
    if is_generator:
        join_yields(node)
    else:
        lower_jumps(node)
    function = _Function(node, class_name, outer_uncertain, unsafe, kept)
    function.handed = written
    function.suspects |= set(written)
    function.rewrite()


class _Function:
    """One function while it is rewritten."""

    def __init__(
        self,
        node: ast.FunctionDef,
        class_name: str,
        outer_uncertain: set[str],
        unsafe: set[str],
        kept: set[str],
    ) -> None:
        self.node, self.class_name = node, class_name
        body = node.body
        self.given = parameters(node)
        self.globals = declared(body, ast.Global)
        self.nonlocals = declared(body, ast.Nonlocal)
        # a name that only `:=` in a comprehension binds is one of this function all the same
        self.local = (bound_names(body) | kept) - self.globals - self.nonlocals
        captured, written = captured_names(body)
        self.written_inside = written & self.local
        self.captured = captured & self.local
        self.always_live = (captured & self.local) | self.globals | self.nonlocals
        own = uncertain_names(body, self.given) - self.globals - {RESULT}
        own = {name for name in own if not is_of_match(name)}
        self.uses_in_match = uses_in_match(body)
        self.uncertain = own | (outer_uncertain - self.local)
        self.expressions = Expressions(self.uncertain, self.given[0] if self.given else "")
        self.expressions.safe = own - unsafe
        self.expressions.variables = self.local | self.nonlocals
        self.shared: set[str] = kept - bound_names(body) - set(self.given)
        self.after: set[str] = set()
        self.suspects = second_names(body)
        self.handed: list[str] = []  # parameters that the caller sees written
        self.count = 0

    def rewrite(self) -> None:
        node = self.node
        docstring = ast.get_docstring(node, clean=False) is not None
        kept, body = (node.body[:1], node.body[1:]) if docstring else ([], node.body)
        first, last = node.body[0], node.body[-1]
        new = [*given_names(self.handed, first), *self.block(body, set(self.handed))]
        if user := sorted(name for name in self.captured if not name.startswith("_kl")):
            new.insert(0, assign("_kl_captured", names(map(self.mangled, user)), first))
        if not isinstance(last, ast.Return):
            new += hand_back(self.handed, last)
        shared = (self.shared | self.expressions.shared) - set(self.given)
        shared -= self.globals | self.nonlocals
        if shared:  # Python wants to see that the names belong to this function
            never = ast.Assign([store(name) for name in sorted(shared)], ast.Constant(None))
            new = [ast.If(ast.Constant(False), [never], []), *new]
        node.body = [*kept, *new] or [ast.Pass()]
        for parent in ast.walk(node):
            if not hasattr(parent, "lineno") and isinstance(parent, ast.stmt):
                ast.copy_location(parent, node)

    def block(self, statements: Sequence[ast.stmt], after: set[str]) -> list[ast.stmt]:
        """Rewrite a suite; `after` are the names that may be read when it is over."""
        out: list[list[ast.stmt]] = []
        live = after
        for statement in reversed(statements):
            before = live_before([statement], live)
            outer, self.expressions.hoisted = self.expressions.hoisted, []
            new = self.statement(statement, live)
            out.append([*self.expressions.hoisted, *new])
            self.expressions.hoisted = outer
            live = before
        return [statement for part in reversed(out) for statement in part]

    def changed(self, nodes: Iterable[ast.AST]) -> set[str]:
        """Give the names that the statements may bind, through calls of inner functions as well."""
        nodes = list(nodes)
        written = {
            owner_name(inner)
            for node in nodes
            for inner in ast.walk(node)
            if isinstance(inner, ast.Subscript) and not isinstance(inner.ctx, ast.Load)
        }
        found = bound_names(nodes) | (written & self.local)
        if self.written_inside and contains(nodes, (ast.Call,)):
            found |= self.written_inside
        found &= self.local | self.globals | self.nonlocals
        uses = uses_in_match(nodes)
        return {name for name in found if name not in uses or uses[name] < self.uses_in_match[name]}

    def suite(
        self, kind: str, body: list[ast.stmt], changed: set[str], like: ast.AST, *arguments: str
    ) -> ast.stmt:
        """Put statements into a function of their own that binds the variables around it."""
        self.count += 1
        self.shared |= changed
        head: list[ast.stmt] = []
        stored = bound_names(body) & (
            self.local | self.nonlocals
        )  # what is bound again after calls
        self.shared |= stored
        if outer := sorted((changed | stored) - self.globals):
            head.append(ast.Nonlocal(outer))
        if outside := sorted(changed & self.globals):
            head.append(ast.Global(outside))
        name = f"_kl_{kind}_{self.count}"
        body = [*head, *body] or [ast.Pass()]
        fn = ast.FunctionDef(name, no_arguments(*arguments), body, [], None)
        return ast.copy_location(fn, like)

    def call(self, name: str, *arguments: ast.expr, like: ast.AST) -> ast.stmt:
        return ast.copy_location(ast.Expr(operator(name, *arguments, like=like)), like)

    def split(self, changed: set[str], live: set[str]) -> tuple[ast.Tuple, ast.Tuple]:
        """Split names into those that are needed later and those that are not."""
        kept = changed & (live | self.always_live)
        return names(map(self.mangled, sorted(kept))), names(
            map(self.mangled, sorted(changed - kept))
        )

    def mangled(self, name: str) -> str:
        if self.class_name and name.startswith("__") and not name.endswith("__"):
            return f"_{self.class_name.lstrip('_')}{name}"
        return name

    def statement(self, node: ast.stmt, after: set[str]) -> list[ast.stmt]:
        self.after = after
        lending = Lending()
        if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Return)) and node.value:
            self.count += 1
            lending = lent_by(node, node.value, self.local | self.nonlocals, self.count)
        start = [new for one in lending.before for new in self.rewritten(one, after)]
        rows = rows_in(node) if isinstance(node, (ast.Assign, ast.AugAssign)) else {}
        new = self.rewritten(node, after)
        tail = self.renewals(lending, node)
        for row, place in rows.items():
            others = self.others(load(place[0]), row)
            tail.append(stored_row(row, place, others, node))
        if isinstance(node, ast.Return) and (tail or self.handed):
            return [*start, *self.ended(node, tail)]
        return [*start, *new, *tail]

    def renewals(self, lending: Lending, like: ast.AST) -> list[ast.stmt]:
        """Bind again what a called function may have written, attributes and items as well."""
        if not lending.names and not lending.places:
            return []
        test = renewals(lending, like)
        for inner in test.body:
            if isinstance(inner, ast.If):
                inner.body = [new for one in inner.body for new in self.rewritten(one, self.after)]
        return [test]

    def ended(self, node: ast.Return, tail: list[ast.stmt]) -> list[ast.stmt]:
        """End the function; the caller's arrays are handed back before."""
        name = self.temporary()
        value = node.value or ast.copy_location(ast.Constant(None), node)
        node.value = load(name)
        return [assign(name, value, node), *tail, *hand_back(self.handed, node), node]

    def rewritten(self, node: ast.stmt, after: set[str]) -> list[ast.stmt]:
        if isinstance(node, (ast.If, ast.While, ast.For)) and contains(node, STAYS):
            return self.native(node, after)
        match node:
            case ast.If():
                return self.if_(node, after)
            case ast.While():
                return self.while_(node, after)
            case ast.For():
                return self.for_(node, after)
            case ast.With() if not contains(node, STAYS):
                return self.with_(node, after)
            case ast.With() | ast.AsyncWith():
                node.items = [self.expressions.visit(item) for item in node.items]
                if isinstance(node, ast.With):
                    for item in node.items:
                        entered = operator("entering", item.context_expr, like=node)
                        item.context_expr = entered
                node.body = self.block(node.body, after)
            case ast.Try() | ast.TryStar():
                return rewrite_trial(self, node, after)
            case ast.FunctionDef():
                return self.nested(node)
            case ast.AsyncFunctionDef():
                pass
            case ast.ClassDef():
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        rewrite_function(inner, node.name, self.uncertain)
                    else:
                        Lambdas(self.expressions).visit(inner)
            case ast.Assert():
                return self.expressions.assertion(node)
            case ast.Raise() if node.exc is not None:
                node.exc = operator("raising", self.expressions.visit(node.exc), like=node)
            case ast.Assign():
                return self.assign(node)
            case ast.AugAssign():
                return self.augmented(node)
            case ast.Delete():
                return self.delete(node)
            case ast.AnnAssign():
                if node.value is None:
                    self.shared |= bound_names(node) & self.local
                    return [ast.copy_location(ast.Pass(), node)]
                return self.assign(ast.copy_location(ast.Assign([node.target], node.value), node))
            case ast.Return() if isinstance(node.value, ast.Name) and node.value.id == RESULT:
                node.value = operator("result", node.value, like=node)
            case ast.Return() if node.value is not None:
                node.value = self.expressions.handed_on(node.value)
            case ast.Global() | ast.Nonlocal() | ast.Import() | ast.ImportFrom() | ast.Pass():
                pass
            case _:
                return [self.expressions.visit(node)]
        return [node]

    def native(self, node: Any, after: set[str]) -> list[ast.stmt]:
        """Keep a statement that a `yield` or jump ties to this function as Python."""
        if isinstance(node, ast.For):
            node.iter = self.expressions.visit(node.iter)
        else:
            kind = "an `if`" if isinstance(node, ast.If) else "a `while`"
            test = self.expressions.test(node.test)
            what = ast.Constant(f"The test of {kind} around a `yield`")
            how = ast.Constant(
                "How often a generator gives a value has to be known: end both sides of an `if` "
                "with a `yield`, or fill a list in a loop."
            )
            node.test = operator("static", test, what, how, like=test)
        everything = after | read_names(node)
        node.body = self.block(node.body, everything)
        node.orelse = self.block(node.orelse, everything)
        return [node]

    def if_(self, node: ast.If, after: set[str]) -> list[ast.stmt]:
        changed = self.changed([*node.body, *node.orelse])
        kept, dropped = self.split(changed, after)
        asked, node.test = self.asked(node.test, after | read_names([*node.body, *node.orelse]))
        test = self.expressions.test(node.test)
        then = self.suite("then", self.block(node.body, after), changed, node)
        otherwise = self.suite("else", self.block(node.orelse, after), changed, node)
        parts = load(then.name), load(otherwise.name)  # type: ignore[attr-defined]
        line = ast.Constant(node.lineno)
        return [
            *asked,
            then,
            otherwise,
            self.call("if_", test, *parts, kept, dropped, line, like=node),
        ]

    def with_(self, node: ast.With, after: set[str]) -> list[ast.stmt]:
        item, *others = node.items
        body = node.body
        if others:
            body = [ast.copy_location(ast.With(others, body), node)]
        changed = self.changed([item, *body])
        manager = operator("entering", self.expressions.visit(item.context_expr), like=node)
        take: list[ast.stmt] = []
        if item.optional_vars is not None:
            target = item.optional_vars
            taken = ast.copy_location(ast.Assign([target], load("_kl_item")), target)
            take = self.assign(taken)
        suite = self.suite("with", [*take, *self.block(body, after)], changed, node, "_kl_item")
        parts = load(suite.name), names(map(self.mangled, sorted(changed)))  # type: ignore[attr-defined]
        return [suite, self.call("with_", manager, *parts, like=node)]

    def asked(self, test: ast.expr, after: set[str]) -> tuple[list[ast.stmt], ast.expr]:
        """Evaluate a test that lends arrays on its own, so that they are bound again in between."""
        name = self.temporary("asked")
        first = ast.copy_location(ast.Assign([store(name)], test), test)
        given = lent_by(first, test, self.local | self.nonlocals, self.count)
        if isinstance(test, ast.BoolOp) or not (given.names or given.places):
            return [], test
        self.after = after
        start = [new for one in given.before for new in self.rewritten(one, after)]
        now = [*start, *self.rewritten(first, after), *self.renewals(given, test)]
        return now, ast.copy_location(load(name), test)

    def while_(self, node: ast.While, after: set[str]) -> list[ast.stmt]:
        changed = self.changed([node.test, *node.body])
        head = loop_head(node, after)
        kept, dropped = self.split(changed, head)
        in_test = bound_names(node.test) & changed
        outer, self.expressions.hoisted = self.expressions.hoisted, []
        asked, node.test = self.asked(node.test, head)
        test = self.expressions.test(node.test)
        tail = ast.copy_location(ast.Return(test), node.test)
        asks = self.suite("test", [*self.expressions.hoisted, *asked, tail], in_test, node)
        self.expressions.hoisted = outer
        body = self.suite("body", self.block(node.body, head), changed, node)
        parts = load(asks.name), load(body.name)  # type: ignore[attr-defined]
        line = ast.Constant(node.lineno)
        return [asks, body, self.call("while_", *parts, kept, dropped, line, like=node)]

    def for_(self, node: ast.For, after: set[str]) -> list[ast.stmt]:
        changed = self.changed([node.target, *node.body])
        head = loop_head(node, after)
        kept, dropped = self.split(changed, head)
        is_made = isinstance(node.iter, ast.Call)
        items = self.expressions.visit(node.iter)
        if is_made:
            items = operator("fresh", items, like=node.iter)
        flags: list[str] = getattr(node, "stop_flags", [])
        stopped: ast.expr = ast.Constant(None)
        if flags:
            stopped = load(flags[0])
            for flag in flags[1:]:
                stopped = operator(
                    "or_", stopped, thunk(load(flag)), ast.Constant(node.lineno), like=node
                )
            stopped = thunk(stopped)
        self.after = head | read_names(node.body)
        take = self.assign(
            ast.copy_location(ast.Assign([node.target], load("_kl_item")), node.target)
        )
        inner = [*take, *self.block(node.body, head)]
        body = self.suite("body", inner, changed, node, "_kl_item")
        line = ast.Constant(node.lineno)
        part = load(body.name)  # type: ignore[attr-defined]
        return [body, self.call("for_", items, part, stopped, kept, dropped, line, like=node)]

    def nested(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """Rewrite an inner function, its defaults and decorators in this scope."""
        node.decorator_list = [self.expressions.visit(part) for part in node.decorator_list]
        node.args.defaults = [self.expressions.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [
            None if part is None else self.expressions.visit(part) for part in node.args.kw_defaults
        ]
        facts = generator_facts(node)
        before = self.pushed(node, facts) if facts else []
        rewrite_function(node, self.class_name, self.uncertain)
        return [*before, node]

    def pushed(self, node: ast.FunctionDef, facts: tuple[bool, ...]) -> list[ast.stmt]:
        """Write an inner generator as functions that hand its items on, beside itself."""
        self.count += 1
        forms = [pushing(node, stops=stops) for stops in (True, False)]
        factory = factory_of(node, forms, self.count)
        for form in forms:
            rewrite_function(form, self.class_name, self.uncertain)
        told = operator("pushes", load(factory.name), *map(ast.Constant, facts), like=node)
        node.decorator_list.append(told)
        return [factory]

    def assign(self, node: ast.Assign) -> list[ast.stmt]:
        """Rewrite an assignment; items and attributes are written by operators."""
        array, index = getattr(node, "view", ("", ""))
        if index and isinstance(node.value, ast.Subscript):
            first = assign(index, self.index(node.value.slice), node)
            at = operator("at", self.read(array), like=node)
            node.value = ast.copy_location(ast.Subscript(at, load(index), ast.Load()), node)
            return [first, ast.copy_location(ast.Assign(node.targets, node.value), node)]
        value = self.expressions.handed_on(node.value)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return [ast.copy_location(ast.Assign(node.targets, value), node)]
        out: list[ast.stmt] = []
        if len(node.targets) > 1:
            name = self.temporary()
            out.append(assign(name, value, node))
            value = load(name)
        for target in node.targets:
            writes: list[ast.stmt] = []
            plain = self.plain_target(target, writes)
            given = value
            if isinstance(plain, (ast.Tuple, ast.List)):
                given = _unpacked(plain, value, node)
            out.append(ast.copy_location(ast.Assign([plain], given), node))
            out += writes
        return out

    def plain_target(self, target: Any, writes: list[ast.stmt]) -> Any:
        """Replace items and attributes in a target by names, written back by `writes`."""
        if isinstance(target, (ast.Tuple, ast.List)):
            target.elts = [self.plain_target(part, writes) for part in target.elts]
        elif isinstance(target, ast.Starred):
            target.value = self.plain_target(target.value, writes)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            name = self.temporary("value")
            writes += self.write(target, load(name), target)
            return ast.copy_location(store(name), target)
        return target

    def temporary(self, what: str = "held") -> str:
        self.count += 1
        return f"_kl_{what}_{self.count}"

    def write(self, target: Any, value: ast.expr, like: ast.AST) -> list[ast.stmt]:
        """Store `value` in an attribute or item."""
        if isinstance(target, ast.Attribute):
            owner = self.expressions.visit(target.value)
            name = ast.Constant(self.mangled(target.attr))
            return [self.call("set_attribute", owner, name, value, like=like)]
        start: list[ast.stmt] = []
        if contains(target, CALLS) and contains(value, CALLS):  # the value comes first
            held = self.temporary()
            start.append(assign(held, value, like))
            value = load(held)
        owner = self.repeatable(target.value, start)
        return [*start, *self.write_item(owner, self.index(target.slice), value, like)]

    def repeatable(self, owner: ast.expr, start: list[ast.stmt]) -> ast.expr:
        """Give an expression to be read several times: what it calls is called once, in `start`."""
        if isinstance(owner, ast.Name) or not contains(owner, CALLS):
            return owner
        if isinstance(owner, ast.Attribute):
            owner.value = self.repeatable(owner.value, start)
            return owner
        held = ast.copy_location(load(self.temporary()), owner)
        if isinstance(owner, ast.Subscript) and not contains(owner.slice, (ast.Slice,)):
            owner.value = self.repeatable(owner.value, start)
            if contains(owner.slice, CALLS):
                start.append(assign(held.id, self.expressions.visit(owner.slice), owner))
                owner.slice = held
            return owner
        held.written = ast.unparse(owner)  # type: ignore[attr-defined] # for messages
        start.append(assign(held.id, self.expressions.visit(owner), owner))
        return held

    def index(self, node: ast.expr) -> ast.expr:
        """Give an index as an expression that can stand outside ``[...]``."""
        new = without_slices(self.expressions.visit(node))
        return ast.copy_location(new, node)

    def others(self, owner: ast.expr, without: str = "") -> list[ast.expr]:
        """Give the variables beside that of `owner` that are read later, if there are any."""
        while not isinstance(owner, ast.Name):
            inner = getattr(owner, "value", None)
            if inner is None:
                break
            owner = inner
        found = (self.after | self.always_live) & self.local - {getattr(owner, "id", ""), without}
        array = getattr(owner, "row_of", ("",))[0]  # it gets the view afterwards
        user = sorted(map(self.mangled, (name for name in found if not name.startswith("_kl"))))
        if array and array in user:
            return [operator("spared", names(user), ast.Constant(array), load(array), like=owner)]
        return [names(user)] if user else []

    def write_item(
        self,
        owner: ast.expr,
        index: ast.expr,
        value: ast.expr,
        like: ast.AST,
        how: str = "set_item",
    ) -> list[ast.stmt]:
        """Store an item, and the array with the item where the array stood."""
        if isinstance(owner, ast.Name):
            fixed = owner.id not in self.local | self.nonlocals | self.globals
            name = ast.Constant(getattr(owner, "written", owner.id))
            others = self.others(owner)
            how = "set_row" if hasattr(owner, "row_of") else how
            new = operator(how, self.read(owner.id), index, value, name, *others, like=like)
            if fixed:
                held: Any = load(owner.id)
                return [self.call("only_in_place", held, new, name, thunk(held), like=like)]
            return [assign(owner.id, new, like)]
        before, after = self.temporary(), self.temporary()
        name = ast.Constant(ast.unparse(owner))
        if isinstance(owner, ast.Attribute):
            base = self.temporary()
            again = copy.deepcopy(owner.value)
            start = [assign(base, self.owned(owner.value), like)]
            set_name = ast.Constant(self.mangled(owner.attr))
            new_parts = load(base), set_name, load(after)
            if owner.attr in VIEWS_IN_ATTRIBUTES:
                held = operator("view_of", load(base), set_name, like=like)
                new = operator("through_view", *new_parts, like=like)
                back = self.write_item(again, ast.Constant(...), new, like)
            else:
                held = ast.copy_location(ast.Attribute(load(base), owner.attr, ast.Load()), like)
                back = [self.call("put_attribute", *new_parts, like=like)]
        elif isinstance(owner, ast.Subscript) and not isinstance(owner.slice, ast.Slice):
            key = self.temporary()
            start = [assign(key, self.expressions.visit(owner.slice), like)]
            base_value = ast.parse(ast.unparse(owner.value), mode="eval").body
            held = operator("owner", self.owned(base_value), load(key), like=like)
            for inner in ast.walk(held):
                ast.copy_location(inner, like)
            back = self.write_item(owner.value, load(key), load(after), like, "put_item")
        else:
            start, held, back = [], self.expressions.visit(owner), []
            back = [self.call("only_in_place", load(before), load(after), name, like=like)]
        changed = ast.Compare(load(after), [ast.IsNot()], [load(before)])
        parts = load(before), index, value, name, *self.others(owner)
        return [
            *start,
            assign(before, held, like),
            assign(after, operator(how, *parts, like=like), like),
            ast.copy_location(ast.If(changed, back, []), like),
        ]

    def owned(self, node: ast.expr) -> ast.expr:
        """Rewrite what is written in: an item is the very list, not its value."""
        is_item = isinstance(node, ast.Subscript) and not contains(node.slice, (ast.Slice,))
        if isinstance(node, ast.Subscript) and is_item:
            inner = self.owned(node.value)
            return operator("owner", inner, self.expressions.visit(node.slice), like=node)
        return self.expressions.visit(node)

    def delete(self, node: ast.Delete) -> list[ast.stmt]:
        """Take items and attributes away by operators; names by Python."""
        out: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                name = ast.Constant(ast.unparse(target.value))
                owner, index = self.owned(target.value), self.index(target.slice)
                parts = owner, index, name, *self.others(target)
                out.append(self.call("delete_item", *parts, like=node))
            elif isinstance(target, ast.Attribute):
                owner = self.expressions.visit(target.value)
                attribute = ast.Constant(self.mangled(target.attr))
                out.append(self.call("delete_attribute", owner, attribute, like=node))
            else:
                out.append(ast.copy_location(ast.Delete([target]), node))
        return out

    def read(self, name: str) -> ast.expr:
        return self.expressions.visit(ast.copy_location(load(name), self.node))

    def augmented(self, node: ast.AugAssign) -> list[ast.stmt]:
        target = node.target
        if isinstance(target, ast.Name):
            is_number = isinstance(node.value, ast.Constant)
            is_suspect = target.id in self.suspects
            node.value = self.expressions.visit(node.value)
            start: list[ast.stmt] = []
            if target.id in self.uncertain:
                start.append(assign(target.id, self.read(target.id), node))
            others = (self.others(target) or [names([])]) if is_suspect else []
            if others or not is_number:
                parts = load(target.id), ast.Constant(target.id), node.value, *others
                node.value = operator("onto", *parts, like=node.value)
            kind = ast.Constant(type(node.op).__name__)
            new = operator("inplace", kind, load(target.id), node.value, like=node)
            return [*start, assign(target.id, new, node)]
        kind = ast.Constant(type(node.op).__name__)
        if isinstance(target, ast.Attribute):
            base = self.temporary()
            first = assign(base, self.expressions.visit(target.value), node)
            old: ast.expr = ast.Attribute(load(base), target.attr, ast.Load())
            right = self.expressions.visit(node.value)
            new = operator("inplace", kind, ast.copy_location(old, node), right, like=node)
            name = ast.Constant(self.mangled(target.attr))
            return [first, self.call("set_attribute", load(base), name, new, like=node)]
        key, base, old_name = self.temporary(), self.temporary(), self.temporary()
        start = []
        owner = self.repeatable(target.value, start)
        index = self.index(target.slice)
        again = ast.parse(ast.unparse(owner), mode="eval").body
        for inner in ast.walk(again):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, node)
        held = self.expressions.visit(again)
        old_value = operator("old_item", held, load(key), like=node)
        right = self.expressions.visit(node.value)
        parts = copy.deepcopy(held), load(key), load(old_name), right
        new = operator("inplace_at", kind, *parts, like=node)
        return [
            *start,
            assign(key, index, node),
            assign(old_name, old_value, node),
            assign(base, new, node),
            *self.write_item(owner, load(key), load(base), node),
        ]


def _unpacked(target: ast.Tuple | ast.List, value: ast.expr, like: ast.AST) -> ast.expr:
    """Give what is unpacked; a starred name, which takes a list, becomes a plain one."""
    stars = [k for k, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    if not stars and isinstance(value, ast.Tuple):
        return value
    counts = [stars[0], len(target.elts) - stars[0] - 1] if stars else [len(target.elts)]
    target.elts = [p.value if isinstance(p, ast.Starred) else p for p in target.elts]
    return operator("unpacked", value, *map(ast.Constant, counts), like=like)
