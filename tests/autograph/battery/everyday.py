"""Games, money, geometry, signals: what does not fit elsewhere."""

# mypy: ignore-errors

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program


@program((1000.0, 0.05, 3), (1000.0, 0.05, 0), grad=(0, 1), vmap=True)
def compound_interest(balance, rate, years):
    for year in range(6):
        if year >= years:
            break
        balance *= 1 + rate
        if balance > 1100:
            balance -= 10
    return balance / 1000


@program(([5, 1, 3, 6, 4],), ([7, 6, 4, 3, 1],), vmap=True)
def best_trade(prices):
    lowest = prices[0]
    profit = 0
    for p in prices[1:]:
        profit = max(profit, p - lowest)
        lowest = min(lowest, p)
    return profit


@program((67,), (99,), (0,), (4,), vmap=True)
def change_in_coins(cents):
    counts = []
    for coin in (25, 10, 5, 1):
        counts.append(cents // coin)
        cents %= coin
    return counts, cents


@program((120, False), (20, False), (20, True))
def shipping_cost(total, member):
    if member or total >= 100:
        return 0.0
    cost = 4.5
    if total < 30:
        cost += 2
    return cost


@program(([10, 7, 10, 3, 7, 10],), ([0, 0, 0, 0, 0, 0],), ([10, 10, 10, 10, 10, 10],), vmap=True)
def bowling_bonus(rolls):
    score = 0
    for i in range(4):
        if rolls[i] == 10:
            score += 10 + rolls[i + 1] + rolls[i + 2]
        elif i < 3 and rolls[i] + rolls[i + 1] == 10:
            score += 10 + rolls[i + 2]
        else:
            score += rolls[i]
    return score


@program((0, 1), (2, 1), (1, 1), vmap=True)
def rock_paper_scissors(mine, theirs):
    if mine == theirs:
        return 0
    return 1 if (mine - theirs) % 3 == 1 else -1


@program((jax.random.key(0),), (jax.random.key(4),), vmap=True)
def snakes_and_ladders(key):
    jumps = jnp.arange(21).at[3].set(11).at[17].set(4)
    place = turns = 0
    while place < 20:
        key, sub = jax.random.split(key)
        place = min(place + jax.random.randint(sub, (), 1, 7), 20)
        place = jumps[place]
        turns += 1
        if turns > 60:
            break
    return turns, place


@program((jax.random.key(0), 17), (jax.random.key(11), 12), vmap=True)
def blackjack_hand(key, stand):
    total = 0
    soft = False
    cards = 0
    while total < stand:
        key, sub = jax.random.split(key)
        card = jax.random.randint(sub, (), 1, 14)
        value = 10 if card > 10 else card
        if value == 1 and total + 11 <= 21:
            value = 11
            soft = True
        total = total + value
        if total > 21 and soft:
            total -= 10
            soft = False
        cards += 1
    return total if total <= 21 else -1, cards


@program((3, 8), (0, 5), (1, 1), vmap=True)
def nim_winner(a, b):
    turn = 0
    while a + b > 0:
        if a ^ b:
            if a > b:
                a = b
            else:
                b = a
        elif a > 0:
            a -= 1
        else:
            b -= 1
        turn = 1 - turn
    return 1 - turn


@program(
    (jnp.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]), 1.0, 1.0),
    (jnp.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]), 3.0, 1.0),
    vmap=True,
)
def point_in_polygon(corners, x, y):
    inside = False
    j = len(corners) - 1
    for i in range(len(corners)):
        xi, yi = corners[i]
        xj, yj = corners[j]
        if (yi > y) != (yj > y) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
            inside = not inside
        j = i
    return inside


@program(
    (jnp.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]),),
    (jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]),),
    grad=0,
)
def shoelace_area(corners):
    area = 0.0
    for i in range(len(corners)):
        a, b = corners[i - 1], corners[i]
        area += a[0] * b[1] - b[0] * a[1]
    return abs(area) / 2


@program((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.0), (2.0, 2.0, -1.0, 0.0), vmap=True)
def ray_hits_circle(px, py, dx, dy):
    ox, oy = px - 3.0, py - 2.0
    b = ox * dx + oy * dy
    c = ox * ox + oy * oy - 1.0
    disc = b * b - (dx * dx + dy * dy) * c
    if disc < 0:
        return -1.0
    t = (-b - disc**0.5) / (dx * dx + dy * dy)
    return t if t > 0 else -1.0


@program(
    (np.array([0.0, 1.0, 0.0, -1.0, 0.0, 2.0], np.float32),),
    (np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32),),
    vmap=True,
)
def zero_crossings_and_peaks(signal):
    crossings = peaks = 0
    for i in range(1, len(signal) - 1):
        if signal[i - 1] < signal[i] > signal[i + 1]:
            peaks += 1
        if signal[i - 1] * signal[i + 1] < 0:
            crossings += 1
    return crossings, peaks


@program((np.array([0, 0, 1, 1, 1, 0, 1, 1], np.int32),), (np.ones(8, np.int32),), vmap=True)
def debounce(samples):
    state = count = 0
    out = []
    for s in samples:
        if s == state:
            count = 0
        else:
            count += 1
            if count >= 2:
                state = s
                count = 0
        out.append(state)
    return out


@program(
    (jnp.array([0.1, 0.9, 0.4, 0.8, 0.2]), 0.7, 0.3),
    (jnp.array([0.1, 0.2, 0.3, 0.4, 0.5]), 0.9, 0.1),
    vmap=True,
)
def schmitt_trigger(signal, high, low):
    on = False
    changes = 0
    for v in signal:
        if not on and v > high:
            on = True
            changes += 1
        elif on and v < low:
            on = False
            changes += 1
    return on, changes


@program((12, 30), (0, 0), (9, 45), vmap=True)
def angle_of_clock_hands(hour, minute):
    angle = abs((hour % 12) * 30 + minute * 0.5 - minute * 6)
    return 360 - angle if angle > 180 else angle


@program((98.6, 0), (37.0, 1), (0.0, 2), raises=(ValueError,))
def convert_temperature(value, unit):
    if unit == 0:
        return (value - 32) * 5 / 9
    if unit == 1:
        return value * 9 / 5 + 32
    raise ValueError(f"unknown unit {unit}")


@program((70.0, 1.75), (50.0, 1.8), (120.0, 1.7))
def body_mass_category(weight, height):
    index = weight / height**2
    if index < 18.5:
        category = "light"
    elif index < 25:
        category = "normal"
    else:
        category = "heavy"
    return category, index


@program((3, 5), (0, 0), (7, 7), vmap=True)
def grid_paths(n, m):
    table = [1] * 8
    for i in range(7):
        if i >= n:
            break
        for j in range(1, 8):
            table[j] = (table[j] + table[j - 1]) % 1000
    return table[m]


@program((4,), (1,), (5,))
def queens_that_fit(n):
    columns = [-1] * 5
    placed = 0
    for row in range(5):
        if row >= n:
            break
        for column in range(5):
            free = True
            for earlier in range(row):
                if columns[earlier] == column or abs(columns[earlier] - column) == row - earlier:
                    free = False
            if free and column < n:
                columns[row] = column
                placed += 1
                break
    return columns, placed


@program((0.2, 0.5), (0.9, 0.5), (0.5, 0.1), vmap=True)
def fuzzy_controller(temperature, humidity):
    cold = max(0.0, min(1.0, (0.5 - temperature) / 0.5))
    hot = max(0.0, min(1.0, (temperature - 0.5) / 0.5))
    dry = max(0.0, 1 - humidity * 2)
    rules = [(cold, 0.0), (hot, 1.0), (min(dry, 1 - cold), 0.7)]
    total = weight = 0.0
    for strength, output in rules:
        if strength > 0:
            total += strength * output
            weight += strength
    return total / weight if weight > 0 else 0.5


@program((np.array([5, 3, 8], np.int32), 4), (np.array([1, 1, 1], np.int32), 4), vmap=True)
def round_robin(bursts, quantum):
    left = bursts.copy()
    finished = np.zeros(3, np.int32)
    time = 0
    while True:
        done = True
        for i in range(3):
            if left[i] > 0:
                done = False
                used = min(quantum, left[i])
                time += used
                left[i] -= used
                if left[i] == 0:
                    finished[i] = time
        if done:
            break
    return finished, time


@program(
    (np.array([1, 2, 3, 1, 4, 1, 2], np.int32),),
    (np.array([1, 1, 1, 1, 1, 1, 1], np.int32),),
    vmap=True,
)
def least_recently_used_cache(requests):
    slots = [-1, -1, -1]
    hits = 0
    for r in requests:
        at = 2
        for i in range(3):
            if slots[i] == r:
                at = i
                hits += 1
                break
        for i in range(2, 0, -1):
            if i <= at:
                slots[i] = slots[i - 1]
        slots[0] = r
    return hits, slots


@program((5.0,), (20.0,), (0.0,), vmap=True)
def leaky_tank(inflow):
    level = 10.0
    overflow = 0.0
    for hour in range(12):
        level += inflow - 0.3 * level
        if level > 50:
            overflow += level - 50
            level = 50.0
        if level < 1:
            return level, overflow, hour
    return level, overflow, -1


@program((3,), (0,), (8,), vmap=True)
def look_and_count(n):
    number = [1, 0, 0, 0, 0, 0, 0, 0]
    for _ in range(n):
        carry = 1
        for i in range(8):
            total = number[i] + carry
            number[i] = total % 3
            carry = total // 3
            if carry == 0:
                break
    return number
