"""Arrays of NumPy that a traced branch or loop changes: right or refused, never wrong."""

# mypy: ignore-errors

import functools

import numpy as np

from tests.autograph.battery.conftest import program as checked

program = functools.partial(checked, may_refuse=True)
V = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
LONG = np.arange(20).astype(np.float32)


class Thing:
    pass


@program((1,), (-1,))
def host_aug(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a += 1
    else:
        a[1:] *= 2
    return a


@program((1,), (-1,))
def host_flat(n):
    a = np.zeros((2, 2), np.float32)
    if n > 0:
        a.flat[1] = 5
    else:
        a.T[0] = 1
    return a


@program((1,), (-1,))
def host_reshape(n):
    a = np.zeros((2, 2), np.float32)
    if n > 0:
        a.reshape(-1)[1] = 5
    else:
        a[:, 1][0] = 3
    return a


@program((1,), (-1,))
def host_view(n):
    a = np.zeros(3, np.float32)
    v = a[1:]
    if n > 0:
        v[0] = 5
    return a


@program((1,), (-1,))
def host_alias(n):
    a = np.zeros(3, np.float32)
    b = a
    if n > 0:
        b[0] = 5
    return a


@program((1,), (-1,))
def host_in_list(n):
    rows = [np.zeros(2, np.float32) for _ in range(2)]
    if n > 0:
        rows[0][1] = 5
    else:
        rows[1] += 1
    return rows


@program((1,), (-1,))
def host_in_object(n):
    o = Thing()
    o.a = np.zeros(2, np.float32)
    if n > 0:
        o.a[1] = 5
    else:
        o.a += 1
    return o.a


@program((12,), (3,))
def host_loop_static_writes(n):
    a = np.zeros(4, np.float32)
    for i in range(n):
        a[0] += 1
        if i > 4:
            a[1] = i
    return a


@program((3,), (-3,))
def loop_rows_host(n):
    m = np.ones((2, 2), np.float32)
    for row in m:
        if n > 0:
            row *= 2
        else:
            row[0] = n
    return m


@program((1,), (-1,))
def array_sort_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.sort()
    return a


@program((1,), (-1,))
def array_fill_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.fill(9)
    return a


@program((1,), (-1,))
def array_put_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.put(1, 9)
    return a


@program((1,), (-1,))
def array_copyto_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        np.copyto(a, 5)
    return a


@program((1,), (-1,))
def array_add_at_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        np.add.at(a, [0, 0], 1)
    return a


@program((1,), (-1,))
def array_out_argument_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        np.multiply(a, 2, out=a)
    return a


@program((1,), (-1,))
def array_flat_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.flat[0] = 7
    return a


@program((1,), (-1,))
def array_shuffle_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        np.random.default_rng(0).shuffle(a)
    return a


@program((1,), (-1,))
def array_set_item_method_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.__setitem__(0, 7)
    return a


@program((1,), (-1,))
def array_subscript_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a[0] = 7
    return a


@program((1,), (-1,))
def array_mask_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a[a > 1] = 0
    return a


@program((1,), (-1,))
def array_partition_in_a_branch(n):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if n > 0:
        a.partition(1)
    return a


@program((V.reshape(1, 5),), (np.ones((2, 2), np.float32),))
def rows_in_place(m):
    m = m.copy()
    for row in m:
        row *= 2
    return m


@program((3,), (-3,))
def rows_of_an_enumeration(n):
    m = np.ones((2, 2), np.float32)
    for i, row in enumerate(m):
        if i < n:
            row += i + 1
    return m


@program((3,), (-3,))
def array_in_a_tuple(x):
    pair = (np.zeros(2, np.float32), 1)
    if x > 0:
        pair[0][1] = 5
    return pair[0]


@program((3,), (-3,))
def array_in_a_closure(x):
    store = np.zeros(2, np.float32)

    def write(i):
        store[i] += 1

    if x > 0:
        write(0)
    write(1)
    return store


@program((3,), (-3,))
def array_given_to_a_function(x):
    store = np.zeros(2, np.float32)

    def write(target, i):
        target[i] += 1

    if x > 0:
        write(store, 0)
    write(store, 1)
    return store


@program((12,), (3,))
def array_written_by_a_function_in_a_loop(n):
    store = np.zeros(3, np.float32)

    def write(target, i):
        target[i] += 1

    for k in range(n):
        write(store, k % 3)
    return store
