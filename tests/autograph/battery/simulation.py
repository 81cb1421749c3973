"""Simulations: automata, machines, controllers, money."""

# mypy: ignore-errors

import enum
import math

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

BLINKER = np.zeros((5, 5), np.int32)
BLINKER[2, 1:4] = 1
BLOCK = np.zeros((5, 5), np.int32)
BLOCK[1:3, 1:3] = 1
CORNER = np.zeros((5, 5), np.int32)
CORNER[1, 1] = CORNER[1, 2] = CORNER[2, 1] = 1


def neighbours(board):
    padded = jnp.pad(board, 1)
    total = -board
    for dy in range(3):
        for dx in range(3):
            total = total + padded[dy : dy + board.shape[0], dx : dx + board.shape[1]]
    return total


@program((BLINKER, 6), (BLOCK, 6), (CORNER, 6), (BLINKER * 0, 6), vmap=True)
def life_until_stable(board, most):
    for generation in range(most):
        around = neighbours(board)
        new = jnp.where((around == 3) | ((around == 2) & (board == 1)), 1, 0)
        if jnp.array_equal(new, board):
            break
        board = new
    return board, generation


@program((BLINKER,), (CORNER,))
def life_by_loops(board):
    h, w = board.shape
    new = np.zeros_like(board)
    for y in range(h):
        for x in range(w):
            n = 0
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy or dx) and 0 <= y + dy < h and 0 <= x + dx < w:
                        n += board[y + dy, x + dx]
            if (board[y, x] and n in (2, 3)) or (not board[y, x] and n == 3):
                new[y, x] = 1
    return new


@program((30, 5), (90, 3), (0, 2))
def elementary_automaton(rule, steps):
    row = np.zeros(9, np.int32)
    row[4] = 1
    for _ in range(steps):
        new = np.zeros(9, np.int32)
        for i in range(9):
            left, right = row[i - 1], row[(i + 1) % 9]
            code = left * 4 + row[i] * 2 + right
            new[i] = (rule >> code) & 1
        row = new
    return row


@program((1.0, 5.0), (0.0, 0.0), (-3.0, 2.0), grad=(0, 1), second=True, vmap=True)
def pid(position, goal):
    integral = 0.0
    previous = None
    for _ in range(15):
        error = goal - position
        integral = min(max(integral + error * 0.1, -2.0), 2.0)
        derivative = 0.0 if previous is None else (error - previous) / 0.1
        force = 1.2 * error + 0.5 * integral + 0.05 * derivative
        if force > 3.0:
            force = 3.0
        elif force < -3.0:
            force = -3.0
        position = position + force * 0.1
        previous = error
    return position


@program((15.0, 5), (25.0, 5), (18.0, 0), vmap=True)
def thermostat(temperature, hours):
    heating = False
    switched = 0
    for _ in range(hours):
        if heating and temperature > 21.0:
            heating = False
            switched += 1
        elif not heating and temperature < 19.0:
            heating = True
            switched += 1
        temperature += 1.5 if heating else -0.75
    return temperature, heating, switched


@program((0, [3, 1, 4]), (2, [2, 2, 2]), (4, [0, 4, 0]), vmap=True)
def elevator(floor, calls):
    travelled = 0
    for call in calls:
        while floor != call:
            if floor < call:
                floor += 1
            else:
                floor -= 1
            travelled += 1
    return floor, travelled


@program((10, np.array([3, 4, 5, 2], np.int32)), (0, np.array([0, 9, 1, 1], np.int32)), vmap=True)
def inventory(stock, demand):
    lost = ordered = 0
    for d in demand:
        sold = min(stock, d)
        lost += d - sold
        stock -= sold
        if stock < 3:
            ordered += 1
            stock += 8
    return stock, lost, ordered


@program(
    (1000.0, 0.01, 100.0),
    (500.0, 0.02, 600.0),
    (1000.0, 0.2, 100.0),
    raises=(ValueError,),
    vmap=True,
)
def loan_months(balance, rate, payment):
    if payment <= balance * rate:
        raise ValueError("the payment never covers the interest")
    months = 0
    paid = 0.0
    while balance > 0:
        interest = balance * rate
        due = min(payment, balance + interest)
        balance = balance + interest - due
        if balance < 0.01:
            balance = 0.0
        paid += due
        months += 1
    return months, paid


@program((5000.0,), (20000.0,), (150000.0,), (0.0,), grad=0, vmap=True)
def income_tax(income):
    brackets = [(10000.0, 0.1), (40000.0, 0.2), (90000.0, 0.3)]
    tax = 0.0
    lower = 0.0
    for upper, rate in brackets:
        if income <= upper:
            return tax + (income - lower) * rate
        tax += (upper - lower) * rate
        lower = upper
    return tax + (income - lower) * 0.4


@program((np.array([1, 0, 1, 1, 0], np.int32),), (np.zeros(5, np.int32),), vmap=True)
def matching_pennies(theirs):
    guess = 0
    wins = losses = 0
    counts = [0, 0]
    for move in theirs:
        if guess == move:
            wins += 1
        else:
            losses += 1
        counts[move] += 1
        guess = 1 if counts[1] > counts[0] else 0
    return wins - losses, counts


X_WINS = np.array([[1, 1, 1], [-1, -1, 0], [0, 0, 0]], np.int32)
DIAGONAL = np.array([[-1, 1, 1], [0, -1, 0], [0, 0, -1]], np.int32)


@program((X_WINS,), (DIAGONAL,), (X_WINS * 0,), (X_WINS.T.copy(),), vmap=True)
def tic_tac_toe_winner(board):
    for player in (1, -1):
        for i in range(3):
            if all(board[i, j] == player for j in range(3)):
                return player
            if all(board[j, i] == player for j in range(3)):
                return player
        if board[0, 0] == board[1, 1] == board[2, 2] == player:
            return player
        if board[0, 2] == board[1, 1] == board[2, 0] == player:
            return player
    return 0


MINES = np.array([[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.int32)


@program((MINES, 1, 1), (MINES, 0, 0), (MINES, 3, 0))
def minesweeper(mines, row, column):
    if mines[row, column]:
        return -1
    h, w = mines.shape
    near = neighbours(mines)
    shown = jnp.zeros((h, w), bool).at[row, column].set(True)
    for _ in range(h * w):
        before = shown
        for y in range(h):
            for x in range(w):
                if shown[y, x] and near[y, x] == 0:
                    for dy in (-1, 0, 1):
                        for dx in (-1, 0, 1):
                            if 0 <= y + dy < h and 0 <= x + dx < w:
                                shown = shown.at[y + dy, x + dx].set(True)
        if jnp.all(before == shown):
            break
    return jnp.sum(shown)


@program((jax.random.key(0),), (jax.random.key(5),), vmap=True)
def walk_until_exit(key):
    position = 0
    steps = 0
    while -4 < position < 4:
        key, sub = jax.random.split(key)
        position += 1 if jax.random.bernoulli(sub) else -1
        steps += 1
    return position, steps


@program((jax.random.key(1),), (jax.random.key(2),), vmap=True)
def rejection_sampling(key):
    tries = 0
    while True:
        key, a, b = jax.random.split(key, 3)
        x = jax.random.uniform(a, minval=-1.0, maxval=1.0)
        if jax.random.uniform(b) < 1 - x * x:
            return x, tries
        tries += 1


class Light(enum.Enum):
    RED = 1
    GREEN = 2
    YELLOW = 3


@program((0,), (4,), (9,), vmap=False)
def traffic_light(seconds):
    light = Light.RED
    cars = 0
    left = 3
    for _ in range(seconds):
        left -= 1
        if light == Light.GREEN:
            cars += 2
        if left == 0:
            if light is Light.RED:
                light, left = Light.GREEN, 4
            elif light is Light.GREEN:
                light, left = Light.YELLOW, 1
            else:
                light, left = Light.RED, 3
    return cars, light


@program(
    (np.array([1, 1, 3, 0], np.int32),),
    (np.array([2, 3, 3, 3], np.int32),),
    (np.array([3, 0, 0, 0], np.int32),),
)
def vending_machine(events):
    state = "idle"
    credit = 0
    sold = 0
    for event in events:
        if state == "idle":
            if event in (1, 2):
                credit += event
                state = "ready" if credit >= 2 else "idle"
        elif state == "ready":
            if event == 3:
                sold += 1
                credit -= 2
                state = "idle"
            elif event != 0:
                credit += event
    return sold, credit, state


@program((1.0, 0.0, 3.0), (0.5, 2.0, 0.0), grad=(0, 1, 2), vmap=True)
def bouncing_ball(height, speed, push):
    bounces = 0
    speed = speed + push
    for _ in range(20):
        speed = speed - 0.981
        height = height + 0.1 * speed
        if height < 0:
            height = -height
            speed = -0.8 * speed
            bounces += 1
            if bounces == 3:
                break
    return height


@program((3.0,), (100.0,), (0.1,), vmap=True)
def cooling_hours(temperature):
    hours = 0
    while temperature > 1.0:
        temperature *= math.exp(-0.5)
        hours += 1
        if hours >= 6:
            print("still warm")
            break
    return hours


@program(
    (jnp.array([0.0, 1.0, 2.0]), jnp.array([0.5, -0.2, 0.0])),
    (jnp.array([0.0, 0.1, 5.0]), jnp.zeros(3)),
    grad=(0, 1),
)
def particles_with_walls(x, v):
    for _ in range(10):
        x = x + 0.1 * v
        for i in range(3):
            for j in range(3):
                if i != j:
                    gap = x[i] - x[j]
                    if jnp.abs(gap) < 0.5:
                        v = v.at[i].add(0.1 * jnp.sign(gap))
        for i in range(3):
            if x[i] < 0:
                v = v.at[i].set(jnp.abs(v[i]))
    return jnp.sum(x * v)
