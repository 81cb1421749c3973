"""Images and boxes, by loops over pixels."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

BLOBS = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 1]], np.int32)
EMPTY = np.zeros((4, 5), np.int32)
GREY = np.array([[10, 200, 30], [220, 20, 210], [15, 25, 230]], np.int32)


@program((BLOBS,), (EMPTY,))
def dilation_by_loops(image):
    h, w = image.shape
    out = image.copy()
    for y in range(h):
        for x in range(w):
            if image[y, x]:
                for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                    if 0 <= y + dy < h and 0 <= x + dx < w:
                        out[y + dy, x + dx] = 1
    return out


@program((BLOBS,), (EMPTY,), (EMPTY + 1,), vmap=True)
def connected_components(image):
    h, w = image.shape
    labels = jnp.where(image > 0, jnp.arange(h * w).reshape(h, w) + 1, 0)
    rounds = 0
    while True:
        old = labels
        padded = jnp.pad(labels, 1)
        for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
            shifted = padded[dy : dy + h, dx : dx + w]
            labels = jnp.where(image > 0, jnp.maximum(labels, shifted), 0)
        rounds += 1
        if (labels == old).all():
            break
    count = 0
    for v in jnp.arange(1, h * w + 1):
        if jnp.any(labels == v):
            count += 1
    return labels, count, rounds


@program((GREY,), (GREY * 0,), (255 - GREY,), vmap=True)
def otsu_threshold(image):
    histogram = np.zeros(8, np.int32)
    for row in image:
        for v in row:
            histogram[v // 32] += 1
    total = histogram.sum()
    best, threshold = -1.0, 0
    weight = mass = 0
    whole = sum(i * histogram[i] for i in range(8))
    for i in range(8):
        weight += histogram[i]
        mass += i * histogram[i]
        if weight == 0 or weight == total:
            continue
        low = mass / weight
        high = (whole - mass) / (total - weight)
        between = weight * (total - weight) * (low - high) ** 2
        if between > best:
            best, threshold = between, i
    return threshold


BOXES = np.array([[0, 0, 4, 4], [1, 0, 5, 4], [6, 6, 8, 8], [6, 6, 8, 9]], np.float32)
SCORES = np.array([0.9, 0.8, 0.5, 0.7], np.float32)


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return inner / (area - inner)


@program((BOXES[0], BOXES[1]), (BOXES[0], BOXES[2]), (BOXES[2], BOXES[3]), grad=(0, 1), vmap=True)
def intersection_over_union(a, b):
    return overlap(a, b) + 0.0


@program((BOXES, SCORES, 0.5), (BOXES, SCORES, 0.99), (BOXES, SCORES[::-1].copy(), 0.1), vmap=True)
def non_max_suppression(boxes, scores, limit):
    n = len(boxes)
    order = jnp.argsort(-scores)
    kept = np.zeros(n, bool)
    removed = np.zeros(n, bool)
    for i in range(n):
        k = order[i]
        if removed[k]:
            continue
        kept[k] = True
        for j in range(i + 1, n):
            if overlap(boxes[k], boxes[order[j]]) > limit:
                removed[order[j]] = True
    return kept


@program((BOXES[:2], BOXES[1:], 0.3), (BOXES[:2], BOXES[1:], 0.9))
def greedy_matching(found, true, limit):
    taken = [False] * len(true)
    matches = []
    for f in found:
        best, where = limit, -1
        for j, t in enumerate(true):
            iou = overlap(f, t)
            if not taken[j] and iou > best:
                best, where = iou, j
        if where >= 0:
            taken[where] = True
        matches.append(where)
    return matches


COSTS = np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]], np.float32)


@program((COSTS,), (COSTS.T.copy(),), vmap=True)
def greedy_assignment(costs):
    used = jnp.zeros(3, bool)
    total = 0.0
    choice = []
    for row in costs:
        best, at = jnp.inf, -1
        for j in range(3):
            if not used[j] and row[j] < best:
                best, at = row[j], j
        used = used.at[at].set(True)
        total += best
        choice.append(at)
    return total, jnp.array(choice)


@program((GREY.astype(np.float32),), (np.ones((3, 3), np.float32),), vmap=True)
def median_filter(image):
    out = image.copy()
    for x in range(3):
        window = [image[0, x], image[1, x], image[2, x]]
        for i in range(2):
            for j in range(2 - i):
                if window[j] > window[j + 1]:
                    window[j], window[j + 1] = window[j + 1], window[j]
        out[1, x] = window[1]
    return out


@program((GREY, 1, 1, 9), (GREY, 0, 0, 9), (EMPTY[:3, :3], 2, 2, 9))
def flood_fill(image, y, x, colour):
    old = image[y, x]
    filled = jnp.zeros((3, 3), bool).at[y, x].set(True)
    growing = True
    while growing:
        growing = False
        for i in range(3):
            for j in range(3):
                near = False
                if i > 0:
                    near = near or filled[i - 1, j]
                if i < 2:
                    near = near or filled[i + 1, j]
                if j > 0:
                    near = near or filled[i, j - 1]
                if j < 2:
                    near = near or filled[i, j + 1]
                if near and not filled[i, j] and abs(image[i, j] - old) < 12:
                    filled = filled.at[i, j].set(True)
                    growing = True
    return jnp.where(filled, colour, image)


@program((BLOBS, 1), (BLOBS, 0), (EMPTY, 1), vmap=True)
def bounding_box(image, value):
    top, left, bottom, right = 99, 99, -1, -1
    for y, row in enumerate(image):
        for x, pixel in enumerate(row):
            if pixel == value:
                top, left = min(top, y), min(left, x)
                bottom, right = max(bottom, y), max(right, x)
    if bottom < 0:
        return 0, 0, 0, 0
    return top, left, bottom + 1, right + 1


@program((GREY.astype(np.float32),), (GREY.T.astype(np.float32),), vmap=True)
def error_diffusion(image):
    image = image.copy()
    for y in range(3):
        for x in range(3):
            old = image[y, x]
            new = 255.0 if old > 127 else 0.0
            image[y, x] = new
            error = old - new
            if x < 2:
                image[y, x + 1] += error * 0.5
            if y < 2:
                image[y + 1, x] += error * 0.5
    return image


@program(
    (jnp.array([[0.0, 1.0], [2.0, 3.0]]), 0.5, 0.5),
    (jnp.array([[0.0, 1.0], [2.0, 3.0]]), 1.5, -0.5),
    grad=(0, 1, 2),
    vmap=True,
)
def bilinear_sample(image, y, x):
    if y < 0 or y > 1 or x < 0 or x > 1:
        return 0.0 * image[0, 0]
    top = image[0, 0] * (1 - x) + image[0, 1] * x
    bottom = image[1, 0] * (1 - x) + image[1, 1] * x
    return top * (1 - y) + bottom * y


@program((5, 3), (0, 0), (-3, 4), vmap=True)
def bresenham_line(x1, y1):
    x = y = 0
    dx, dy = abs(x1), -abs(y1)
    sx = 1 if x1 > 0 else -1
    sy = 1 if y1 > 0 else -1
    error = dx + dy
    board = jnp.zeros((11, 11), int)
    while True:
        board = board.at[y + 5, x + 5].set(1)
        if x == x1 and y == y1:
            break
        doubled = 2 * error
        if doubled >= dy:
            error += dy
            x += sx
        if doubled <= dx:
            error += dx
            y += sy
    return board
