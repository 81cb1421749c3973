"""Graphs as matrices: shortest paths, searches, components."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

FAR = 1e6
ROADS = np.array(
    [
        [0, 4, 1, FAR, FAR],
        [4, 0, 2, 5, FAR],
        [1, 2, 0, 8, 10],
        [FAR, 5, 8, 0, 2],
        [FAR, FAR, 10, 2, 0],
    ],
    np.float32,
)
ISLAND = ROADS.copy()
ISLAND[3:, :3] = ISLAND[:3, 3:] = FAR
LINKS = (ROADS < FAR) & (ROADS > 0)
PARTS = (ISLAND < FAR) & (ISLAND > 0)


@program((ROADS, 0), (ISLAND, 4), vmap=True)
def dijkstra(graph, source):
    n = graph.shape[0]
    distance = np.full(n, np.inf, np.float32)
    distance[source] = 0
    done = np.zeros(n, bool)
    for _ in range(n):
        u = -1
        for v in range(n):
            if not done[v] and (u == -1 or distance[v] < distance[u]):
                u = v
        if distance[u] >= FAR:
            break
        done[u] = True
        for v in range(n):
            if graph[u, v] < FAR and distance[u] + graph[u, v] < distance[v]:
                distance[v] = distance[u] + graph[u, v]
    return distance


@program((ROADS,), (ISLAND,), vmap=True)
def floyd_warshall(graph):
    d = jnp.asarray(graph)
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i, k] + d[k, j] < d[i, j]:
                    d = d.at[i, j].set(d[i, k] + d[k, j])
    return d


@program((ROADS, 0), (ISLAND, 0), vmap=True)
def bellman_ford(graph, source):
    n = graph.shape[0]
    d = jnp.full(n, FAR).at[source].set(0.0)
    rounds = 0
    changed = True
    while changed:
        new = jnp.min(d[:, None] + graph, axis=0)
        changed = jnp.any(new < d)
        d = jnp.minimum(d, new)
        rounds += 1
    return d, rounds


@program((LINKS, 0, 4), (PARTS, 0, 4), (LINKS, 2, 2))
def breadth_first(links, start, goal):
    n = links.shape[0]
    steps = -np.ones(n, np.int32)
    steps[start] = 0
    queue = np.zeros(n, np.int32)
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        node = queue[head]
        head += 1
        if node == goal:
            return steps[node]
        for other in range(n):
            if links[node, other] and steps[other] < 0:
                steps[other] = steps[node] + 1
                queue[tail] = other
                tail += 1
    return -1


@program((LINKS, 0), (PARTS, 3))
def breadth_first_with_list(links, start):
    n = len(links)
    seen = [False] * n
    order = -np.ones(n, np.int32)
    queue = [start]
    count = 0
    for _ in range(n):
        if not queue:
            break
        node = queue.pop(0)
        order[count] = node
        count += 1
        seen[node] = True
        for other in range(n):
            if links[node, other] and not seen[other]:
                if other not in queue:
                    queue.append(other)
    return order, count


@program((LINKS, 0), (PARTS, 4))
def depth_first_with_stack(links, start):
    n = links.shape[0]
    stack = jnp.zeros(n * n, int).at[0].set(start)
    top = 1
    seen = jnp.zeros(n, bool)
    order = []
    visited = 0
    total = 0
    while top > 0:
        top -= 1
        node = stack[top]
        if seen[node]:
            continue
        seen = seen.at[node].set(True)
        visited += 1
        total += node * visited
        for other in range(n):
            if links[node, other] and not seen[other]:
                stack = stack.at[top].set(other)
                top += 1
    return visited, total, len(order)


PAIRS = np.array([[0, 1], [2, 3], [1, 0], [3, 1]], np.int32)


@program((PAIRS,), (PAIRS[:, ::-1].copy(),), (PAIRS * 0,))
def union_find(pairs):
    parent = np.arange(5)

    def find(x):
        while parent[x] != x:
            x = parent[x]
        return x

    groups = 5
    for a, b in pairs:
        ra, rb = find(a), find(b)
        if ra != rb:
            parent[ra] = rb
            groups -= 1
    return groups


DAG = np.array([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], np.int32)


@program((DAG,), (DAG.T.copy(),), (np.ones((4, 4), np.int32),), raises=(ValueError,), vmap=True)
def topological_order(edges):
    n = edges.shape[0]
    incoming = edges.sum(axis=0)
    order = np.zeros(n, np.int32)
    done = np.zeros(n, bool)
    for k in range(n):
        found = False
        for v in range(n):
            if incoming[v] == 0 and not done[v]:
                found = True
                break
        if not found:
            raise ValueError("there is a cycle")
        done[v] = True
        order[k] = v
        for w in range(n):
            if edges[v, w]:
                incoming[w] -= 1
    return order


@program((LINKS,), (PARTS,), vmap=True)
def components_until_stable(links):
    n = links.shape[0]
    label = jnp.arange(n)
    while True:
        new = label
        for i in range(n):
            for j in range(n):
                if links[i, j]:
                    new = new.at[i].set(jnp.minimum(new[i], new[j]))
        if jnp.all(new == label):
            return label
        label = new


@program((LINKS,), (PARTS,), (DAG > 0,))
def is_bipartite(links):
    n = len(links)
    colour = [-1] * n
    for start in range(n):
        if colour[start] == -1:
            colour[start] = 0
            for _ in range(n):
                for i in range(n):
                    for j in range(n):
                        if links[i][j] and colour[i] != -1:
                            if colour[j] == -1:
                                colour[j] = 1 - colour[i]
                            elif colour[j] == colour[i]:
                                return False
    return True


@program((ROADS,), (ROADS.T * 2,), vmap=True)
def prim(graph):
    n = len(graph)
    chosen = jnp.zeros(n, bool).at[0].set(True)
    total = 0.0
    edges = []
    for _ in range(n - 1):
        best, at = FAR, (0, 0)
        for i in range(n):
            for j in range(n):
                if chosen[i] and not chosen[j] and graph[i, j] < best:
                    best = graph[i, j]
                    at = (i, j)
        total += best
        chosen = chosen.at[at[1]].set(True)
        edges.append(at[1])
    return total, jnp.stack(edges)


RANK = jnp.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@program(
    (RANK, 0.85),
    (RANK.at[0].set(jnp.array([0.0, 1.0, 0.0])), 0.5),
    grad=1,
    vmap=True,
    grad_rtol=2e-3,
)
def page_rank(moves, damping):
    n = moves.shape[0]
    rank = jnp.ones(n) / n
    change = 1.0
    while change > 1e-5:
        new = (1 - damping) / n + damping * (rank @ moves)
        change = jnp.abs(new - rank).sum()
        rank = new
    return rank[0]


MAZE = np.array([[0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]], np.int32)


@program(
    (MAZE, (0, 0), (3, 3)),
    (MAZE, (0, 0), (3, 0)),
    (MAZE + np.eye(4, dtype=np.int32)[::-1], (0, 0), (0, 1)),
)
def maze_distance(maze, start, goal):
    h, w = maze.shape
    distance = np.full((h, w), 99)
    distance[start[0], start[1]] = 0
    moved = True
    while moved:
        moved = False
        for r in range(h):
            for c in range(w):
                if maze[r, c] == 1:
                    continue
                for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                    rr, cc = r + dr, c + dc
                    if 0 <= rr < h and 0 <= cc < w and distance[rr, cc] + 1 < distance[r, c]:
                        distance[r, c] = distance[rr, cc] + 1
                        moved = True
    return distance[goal[0], goal[1]]


@program(
    (np.array([1, 2, 3, -1], np.int32),),
    (np.array([1, 2, 3, 1], np.int32),),
    (np.array([-1, 0, 0, 0], np.int32),),
    vmap=True,
)
def linked_list_has_cycle(following):
    slow = fast = 0
    while True:
        for _ in range(2):
            if fast == -1:
                return False
            fast = following[fast]
        slow = following[slow]
        if slow == fast and fast != -1:
            return True
