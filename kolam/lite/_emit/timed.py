"""A variant of the C file that takes the time of every call; built for reports only."""

from itertools import count

from kolam.lite._emit.lines import indented
from kolam.lite._emit.source import arrays_lines, emit_source, kernel_names, signature, step_lines
from kolam.lite._schedule import Plan

_CLOCK = """
typedef int KL_clock(int, int64_t *);

static int64_t KL_now(KL_clock *clock, int id) {
    int64_t time[2] = {0, 0};
    clock(id, time);
    return time[0] * 1000000000 + time[1];
}

"""


def emit_timed(plan: Plan, *, header: str) -> str:
    """Write the C file with one more function, ``<name>_timed``.

    It runs the program as ``<name>_run`` does and adds to ``spent[i]`` the nanoseconds of the
    call `i`. The clock is that of POSIX, given by its address, for a library without a libc
    cannot name it.
    """
    numbers = count()

    def timed(call: str) -> list[str]:
        before = "before = KL_now(clock, id);"
        return [before, call, f"spent[{next(numbers)}] += KL_now(clock, id) - before;"]

    lines = step_lines(plan.steps, kernel_names(plan), timed)
    more = ", KL_clock *clock, int id, int64_t *spent"
    body = [
        *arrays_lines(plan, "\n".join(lines)),
        *("int64_t before = 0;", "(void)before;", "(void)clock;", "(void)id;", "(void)spent;"),
        *lines,
    ]
    head = [*signature(plan, "timed", ";", more), *signature(plan, "timed", " {", more)]
    text = "\n".join([*head, *indented(body), "}", ""])
    timed_part = f"{_CLOCK}{text}".replace("KL_", f"{plan.name}_")
    return emit_source(plan, header=header) + timed_part
