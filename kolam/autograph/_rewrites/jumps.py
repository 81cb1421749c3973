"""`return`, `break` and `continue` become flags, `else` of loops becomes `if`.

The result is plain Python with the same meaning, in which every statement has one way in and one
way out::

    for row in rows:                      did_break = False
        if row < 0:                       for row in rows:      # ends when did_break
            break              -->            if row < 0:
        total += row                              did_break = True
                                              else:
                                                  total += row
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from kolam.autograph._analysis import contains
from kolam.autograph._rewrites.build import assign, conjunction, load, negated

RESULT = "_kl_result"
DID_RETURN = "_kl_did_return"

_JUMPS = (ast.Return, ast.Break, ast.Continue)


class CannotRewrite(Exception):  # noqa: N818 - a reason, kept with the function that runs as it is
    """A function that must run as it is; the text says why."""


def lower_jumps(node: ast.FunctionDef) -> None:
    """Rewrite the body of a function in place so that no jump is left but a last `return`."""
    jumps = _Jumps()
    last = node.body[-1]
    inner = node.body[:-1] if isinstance(last, ast.Return) else node.body
    if not _has_return(inner):
        node.body = [*jumps.block(inner), *([last] if isinstance(last, ast.Return) else [])]
        return
    if not _always_leaves(node.body):
        end = ast.Return(ast.Constant(None))
        node.body = [*node.body, ast.copy_location(end, last)]
    body = jumps.block(node.body)
    flags = jumps.used_flags
    first = node.body[0]
    start = [assign(DID_RETURN, ast.Constant(False), first)] if DID_RETURN in flags else []
    end = ast.copy_location(ast.Return(load(RESULT)), last)
    node.body = [*start, *_without_unused(body, flags), end]


def _has_return(statements: Sequence[ast.AST]) -> bool:
    return contains(statements, (ast.Return,))


def _jumps_out(statement: ast.stmt) -> bool:
    """Whether a statement may leave the place where it stands by a jump."""
    return _leaks(statement, in_loop=False)


def _leaks(node: ast.AST, *, in_loop: bool) -> bool:
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, (ast.Break, ast.Continue)):
        return not in_loop
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
        return False
    if isinstance(node, (ast.While, ast.For)):
        return any(_leaks(child, in_loop=True) for child in node.body) or any(
            _leaks(child, in_loop=in_loop) for child in node.orelse
        )
    return any(_leaks(child, in_loop=in_loop) for child in ast.iter_child_nodes(node))


def _own_jump(loop: ast.While | ast.For, kind: type[ast.Break] | type[ast.Continue]) -> bool:
    """Whether the body of a loop has a `break` or `continue` of that loop."""
    stack: list[ast.AST] = list(loop.body)
    while stack:
        node = stack.pop()
        if isinstance(node, kind):
            return True
        if isinstance(node, (ast.While, ast.For)):
            stack.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            stack.extend(ast.iter_child_nodes(node))
    return False


def _always_leaves(statements: Sequence[ast.stmt]) -> bool:
    """Whether no path gets past the end of `statements`."""
    for statement in statements:
        if isinstance(statement, (*_JUMPS, ast.Raise)):
            return True
        if (
            isinstance(statement, ast.If)
            and statement.orelse
            and _always_leaves(statement.body)
            and _always_leaves(statement.orelse)
        ):
            return True
        if isinstance(statement, ast.While) and _is_endless(statement):
            return True
    return False


def _is_endless(loop: ast.While) -> bool:
    """Whether a loop is left only by what leaves the code around it as well."""
    is_true = isinstance(loop.test, ast.Constant) and bool(loop.test.value)
    return is_true and not _own_jump(loop, ast.Break)


def _without_unused(body: list[ast.stmt], flags: set[str]) -> list[ast.stmt]:
    """Drop the writes of a flag that nobody reads."""
    if DID_RETURN in flags:
        return body

    class Drop(ast.NodeTransformer):
        def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
            target = node.targets[0]
            return None if isinstance(target, ast.Name) and target.id == DID_RETURN else node

    drop = Drop()
    return [kept for statement in body if (kept := drop.visit(statement)) is not None]


@dataclass
class _Jumps:
    """Lowers one function; the flags of the loops around are in `loops`, innermost last."""

    loops: list[tuple[str, str]] = field(default_factory=list)
    used_flags: set[str] = field(default_factory=set)
    count: int = 0

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Lower a suite."""
        out: list[ast.stmt] = []
        for number, statement in enumerate(statements):
            rest = statements[number + 1 :]
            if isinstance(statement, _JUMPS):
                return [*out, *self.jump(statement)]
            if isinstance(statement, ast.If) and _jumps_out(statement):
                return [*out, *self.branch(statement, rest)]
            # lowering changes the suites of `try` and `with` in place: ask for the jumps before
            flags = self.flags_of(statement) if _jumps_out(statement) else []
            out += self.statement(statement)
            if flags:
                return [*out, *self.guarded(flags, rest)]
        return out

    def jump(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, ast.Return):
            value = statement.value or ast.copy_location(ast.Constant(None), statement)
            flag = assign(DID_RETURN, ast.Constant(True), statement)
            return [assign(RESULT, value, statement), flag]
        did_break, did_continue = self.loops[-1]
        flag_name = did_break if isinstance(statement, ast.Break) else did_continue
        return [assign(flag_name, ast.Constant(True), statement)]

    def branch(self, node: ast.If, rest: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Move what follows an `if` with jumps to where it is still reached."""
        then_leaves, else_leaves = _always_leaves(node.body), _always_leaves(node.orelse)
        then, otherwise = list(node.body), list(node.orelse)
        if then_leaves or else_leaves:
            if not else_leaves:
                otherwise += rest
            elif not then_leaves:
                then += rest
            return [self.rebuilt(node, then, otherwise)]
        flags = self.flags_of(node)
        return [self.rebuilt(node, then, otherwise), *self.guarded(flags, rest)]

    def rebuilt(self, node: ast.If, then: list[ast.stmt], otherwise: list[ast.stmt]) -> ast.If:
        body = self.block(then) or [ast.copy_location(ast.Pass(), node)]
        return ast.copy_location(ast.If(node.test, body, self.block(otherwise)), node)

    def guarded(self, flags: list[str], rest: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Run `rest` only if none of `flags` says that a jump was taken."""
        if not rest:
            return []
        self.used_flags.update(flags)
        tests = [negated(load(flag), rest[0]) for flag in flags]
        body = self.block(rest)
        return [ast.copy_location(ast.If(conjunction(tests, rest[0]), body, []), rest[0])]

    def flags_of(self, node: ast.stmt) -> list[str]:
        """List the flags that a statement may set and that concern what follows it."""
        flags = [DID_RETURN] if _has_return([node]) else []
        if self.loops:
            did_break, did_continue = self.loops[-1]
            probe = ast.While(ast.Constant(True), [node], [])
            if _own_jump(probe, ast.Break):
                flags.append(did_break)
            if _own_jump(probe, ast.Continue):
                flags.append(did_continue)
        return flags

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.While() | ast.For():
                return self.loop(node)
            case ast.If():
                return [self.rebuilt(node, node.body, node.orelse)]
            case ast.With():
                node.body = self.block(node.body)
            case ast.Try() | ast.TryStar():
                return self.trial(node)
        return [node]

    def trial(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        final = node.finalbody
        leaves = any(_jumps_out(statement) for statement in final)
        node.finalbody = [] if leaves else node.finalbody
        pending = self.flags_of(node) if leaves else []
        probe = ast.copy_location(ast.If(ast.Constant(True), node.body, []), node)
        if node.orelse and _jumps_out(probe):
            node.orelse = self.guarded(self.flags_of(probe), node.orelse)
        else:
            node.orelse = self.block(node.orelse)
        node.body = self.block(node.body)
        for handler in node.handlers:
            handler.body = self.block(handler.body)
        if leaves:
            return self.overruled(node, final, pending)
        node.finalbody = self.block(node.finalbody)
        return [node]

    def overruled(
        self, node: ast.Try | ast.TryStar, final: list[ast.stmt], pending: list[str]
    ) -> list[ast.stmt]:
        """Write a `finally` with jumps: one that is taken drops what was under way before.

        Args:
            node: The statement without its `finally`, lowered.
            final: The suite of the `finally`.
            pending: Flags of the jumps in the rest of the statement.
        """
        self.count += 1
        caught, held = f"_kl_caught_{self.count}", f"_kl_held_{self.count}"
        kept = {flag: f"_kl_pending_{self.count}_{at}" for at, flag in enumerate(pending)}
        self.used_flags.update(pending)
        everything = ast.copy_location(load("BaseException"), node)
        handler = ast.ExceptHandler(everything, held, [assign(caught, load(held), node)])
        inner: list[ast.stmt] = [node] if node.handlers else [*node.body, *node.orelse]
        guard = ast.Try(inner, [ast.copy_location(handler, node)], [], [])
        out = [assign(caught, ast.Constant(None), node), ast.copy_location(guard, node)]
        for flag, name in kept.items():
            out += [assign(name, load(flag), node), assign(flag, ast.Constant(False), node)]
        taken = self.flags_of(ast.copy_location(ast.If(ast.Constant(True), final, []), node))
        out += self.block(final)
        name_of = [ast.copy_location(load(caught), node) for _ in range(2)]
        there = ast.Compare(name_of[0], [ast.IsNot()], [ast.Constant(None)])
        again = ast.copy_location(ast.Raise(name_of[1], None), node)
        rest = [assign(flag, load(name), node) for flag, name in kept.items()]
        rest.append(ast.copy_location(ast.If(ast.copy_location(there, node), [again], []), node))
        return [*out, *self.guarded(taken, rest)]

    def loop(self, node: ast.While | ast.For) -> list[ast.stmt]:
        self.count += 1
        did_break, did_continue = f"_kl_did_break_{self.count}", f"_kl_did_continue_{self.count}"
        breaks, continues = _own_jump(node, ast.Break), _own_jump(node, ast.Continue)
        stops = [did_break] if breaks else []
        if _has_return(node.body):
            stops.append(DID_RETURN)
        self.used_flags.update(stops)
        self.loops.append((did_break, did_continue))
        body = self.block(node.body)
        self.loops.pop()
        if continues:
            body = [assign(did_continue, ast.Constant(False), node), *body]
        out = [assign(did_break, ast.Constant(False), node)] if breaks else []
        if isinstance(node, ast.While):
            tests = [negated(load(flag), node.test) for flag in stops]
            test = conjunction([*tests, node.test], node.test)
            new: ast.stmt = ast.While(test, body, [])
        else:
            new = ast.For(node.target, node.iter, body, [])
            new.stop_flags = stops  # type: ignore[attr-defined]  # read by the liveness and the loops
        out.append(ast.copy_location(new, node))
        if node.orelse and stops:
            tests = [negated(load(flag), node.orelse[0]) for flag in stops]
            guard = ast.If(conjunction(tests, node.orelse[0]), self.block(node.orelse), [])
            out.append(ast.copy_location(guard, node.orelse[0]))
        else:
            out += self.block(node.orelse)
        return out
