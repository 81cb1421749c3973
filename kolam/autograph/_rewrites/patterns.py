"""`match` becomes `if`.

What a pattern asks and what it captures is one operator call; the rest is plain Python::

    match point:                    subject = point
        case [0, y] if y > 1:       matched, captured = _kl.matched(subject, ...)
            a                       if matched:
        case _:              -->        (y,) = captured
            b                           matched = y > 1
                                    if matched:
                                        a
                                    else:
                                        b

As in CPython, names are bound once the whole pattern holds, before the guard is asked.
"""

import ast

from kolam.autograph._rewrites.build import assign, load, operator, store, thunk

_SUBJECT, _MATCHED, _CAPTURED = "_kl_subject_", "_kl_matched_", "_kl_captured_"


def is_of_match(name: str) -> bool:
    """Whether a variable was made here; it is bound before it is read, in one suite."""
    return name.startswith((_SUBJECT, _MATCHED, _CAPTURED))


def lower_match(node: ast.FunctionDef) -> None:
    """Rewrite every `match` of a function in place, those of inner functions left out."""
    lowering = _Lowering()
    body: list[ast.stmt] = []
    for statement in node.body:
        new = lowering.visit(statement)
        body += new if isinstance(new, list) else [new]
    node.body = body


class _Lowering(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # it is lowered when its own turn comes

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_Match(self, node: ast.Match) -> list[ast.stmt]:
        self.generic_visit(node)
        subject = f"{_SUBJECT}{self.number()}"
        given = node.subject
        if isinstance(given, ast.Name):
            # read as it is: `case None` asks whether there is a value
            given.as_it_is = True  # type: ignore[attr-defined]
            given = operator("subject", given, ast.Constant(given.id), like=node.subject)
        return [assign(subject, given, node), *self.cases(subject, node.cases, frozenset())]

    def number(self) -> int:
        self.count += 1
        return self.count

    def cases(
        self, subject: str, cases: list[ast.match_case], gone: frozenset[bool | None]
    ) -> list[ast.stmt]:
        """Lower the cases; those before have taken the singletons `gone`."""
        if not cases:
            return []
        case, pattern = cases[0], cases[0].pattern
        gone_after = gone if case.guard is not None else gone | _singletons(pattern)
        known = ast.Tuple([ast.Constant(value) for value in sorted(gone, key=str)], ast.Load())
        if not isinstance(pattern, ast.MatchAs) or pattern.pattern is not None:
            number = self.number()
            rest = self.cases(subject, cases[1:], gone_after)
            return self.refutable(subject, case, number, known, rest)
        out: list[ast.stmt] = []
        if pattern.name is not None:
            value = operator(
                "captured", load(subject), ast.Constant(pattern.name), known, like=pattern
            )
            out.append(assign(pattern.name, value, pattern))
        if case.guard is None:
            return [*out, *case.body]
        rest = self.cases(subject, cases[1:], gone_after)
        return [*out, ast.copy_location(ast.If(case.guard, case.body, rest), pattern)]

    def refutable(
        self,
        subject: str,
        case: ast.match_case,
        number: int,
        known: ast.expr,
        rest: list[ast.stmt],
    ) -> list[ast.stmt]:
        pattern, body = case.pattern, case.body
        matched, captured = f"{_MATCHED}{number}", f"{_CAPTURED}{number}"
        call = operator("matched", load(subject), _expression(pattern), known, like=pattern)
        pair = ast.Tuple([store(matched), store(captured)], ast.Store())
        out: list[ast.stmt] = [ast.copy_location(ast.Assign([pair], call), pattern)]
        names = _captured_by(pattern)
        take: list[ast.stmt] = []
        if names:
            target = ast.Tuple([store(name) for name in names], ast.Store())
            take.append(ast.copy_location(ast.Assign([target], load(captured)), pattern))
        if case.guard is not None:
            asked = [*take, assign(matched, case.guard, case.guard)]
            out.append(ast.copy_location(ast.If(load(matched), asked, []), pattern))
        else:
            body = [*take, *body]
        return [*out, ast.copy_location(ast.If(load(matched), body, rest), pattern)]


def _singletons(pattern: ast.pattern) -> frozenset[bool | None]:
    """Give which of None, True and False a pattern matches for sure."""
    if isinstance(pattern, ast.MatchOr):
        return frozenset().union(*map(_singletons, pattern.patterns))
    return frozenset({pattern.value} if isinstance(pattern, ast.MatchSingleton) else ())


def _captured_by(pattern: ast.pattern) -> list[str]:
    """Give the names that a pattern binds, sorted."""
    found = set()
    for node in ast.walk(pattern):
        if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
    return sorted(found)


def _expression(pattern: ast.pattern) -> ast.expr:
    """Write a pattern as calls of operators; values and classes are looked up when asked for."""
    match pattern:
        case ast.MatchValue():
            return operator("pattern_value", thunk(pattern.value), like=pattern)
        case ast.MatchSingleton():
            return operator("pattern_is", ast.Constant(pattern.value), like=pattern)
        case ast.MatchAs():
            inner = ast.Constant(None) if pattern.pattern is None else _expression(pattern.pattern)
            return operator("pattern_as", ast.Constant(pattern.name), inner, like=pattern)
        case ast.MatchOr():
            return operator("pattern_or", *map(_expression, pattern.patterns), like=pattern)
        case ast.MatchStar():
            return operator("pattern_star", ast.Constant(pattern.name), like=pattern)
        case ast.MatchSequence():
            return operator("pattern_sequence", *map(_expression, pattern.patterns), like=pattern)
        case ast.MatchMapping():
            return _mapping(pattern)
        case ast.MatchClass():
            keywords = _pairs(
                [ast.Constant(name) for name in pattern.kwd_attrs], pattern.kwd_patterns
            )
            parts = ast.Tuple(list(map(_expression, pattern.patterns)), ast.Load())
            return operator("pattern_class", thunk(pattern.cls), parts, keywords, like=pattern)
    raise AssertionError(f"Python has a pattern that is not known here: {ast.dump(pattern)}")


def _mapping(pattern: ast.MatchMapping) -> ast.expr:
    keys: list[ast.expr] = [thunk(key) for key in pattern.keys]
    pairs = _pairs(keys, pattern.patterns)
    return operator("pattern_mapping", pairs, ast.Constant(pattern.rest), like=pattern)


def _pairs(keys: list[ast.expr], patterns: list[ast.pattern]) -> ast.Tuple:
    inner: list[ast.expr] = [
        ast.Tuple([key, _expression(part)], ast.Load())
        for key, part in zip(keys, patterns, strict=True)
    ]
    return ast.Tuple(inner, ast.Load())
