"""Texts as integer codes: tokenizers, parsers, small compressors."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program


def codes(text, length=10):
    return np.array([ord(c) for c in text.ljust(length)], np.int32)


SPACE, OPEN, CLOSE, A, Z = ord(" "), ord("("), ord(")"), ord("a"), ord("z")
DIGIT_0, DIGIT_9 = ord("0"), ord("9")


@program((codes("one two"),), (codes("  a  b c "),), (codes(""),), vmap=True)
def count_words(text):
    words = 0
    inside = False
    for code in text:
        if code == SPACE:
            inside = False
        elif not inside:
            inside = True
            words += 1
    return words


@program((codes("12 345 6"),), (codes("9"),), (codes("abc 7"),), vmap=True)
def tokenizer(text):
    values = np.zeros(5, np.int32)
    kinds = np.zeros(5, np.int32)
    n = 0
    i = 0
    while i < len(text):
        c = text[i]
        if DIGIT_0 <= c <= DIGIT_9:
            value = 0
            while i < len(text) and DIGIT_0 <= text[i] <= DIGIT_9:
                value = 10 * value + (text[i] - DIGIT_0)
                i += 1
            values[n], kinds[n] = value, 1
            n += 1
            continue
        if A <= c <= Z:
            start = i
            while i < len(text) and A <= text[i] <= Z:
                i += 1
            values[n], kinds[n] = i - start, 2
            n += 1
            continue
        i += 1
    return values, kinds, n


@program((codes("(()())"),), (codes("())("),), (codes("((("),), (codes(""),), vmap=True)
def brackets_balance(text):
    depth = 0
    for i, c in enumerate(text):
        if c == OPEN:
            depth += 1
        elif c == CLOSE:
            depth -= 1
            if depth < 0:
                return False, i
    return depth == 0, len(text)


@program((codes("(1)"),), (codes("1)"),), (codes("(1"),), raises=(SyntaxError,))
def brackets_or_error(text):
    depth = 0
    for i, c in enumerate(text):
        if c == OPEN:
            depth += 1
        elif c == CLOSE:
            if depth == 0:
                raise SyntaxError(f"unexpected bracket at {i}")
            depth -= 1
    if depth:
        raise SyntaxError("unexpected end")
    return True


@program((codes("3+4*2"),), (codes("10*2-7"),), (codes("5"),), vmap=True)
def evaluate_sum_of_products(text):
    total, term, number = 0, 1, 0
    sign = 1
    for c in text:
        if DIGIT_0 <= c <= DIGIT_9:
            number = 10 * number + c - DIGIT_0
        elif c == ord("*"):
            term *= number
            number = 0
        elif c == ord("+") or c == ord("-"):
            total += sign * term * number
            term, number = 1, 0
            sign = 1 if c == ord("+") else -1
        else:
            break
    return total + sign * term * number


@program((codes("hello"), 3), (codes("xyz"), 5), (codes("a b"), -1), vmap=True)
def caesar_cipher(text, shift):
    out = text.copy()
    for i in range(len(text)):
        if A <= text[i] <= Z:
            out[i] = (text[i] - A + shift) % 26 + A
    return out


@program((codes("level", 5),), (codes("hello", 5),), vmap=True)
def palindrome(text):
    i, j = 0, len(text) - 1
    while i < j:
        if text[i] != text[j]:
            return False
        i += 1
        j -= 1
    return True


@program((codes("ababcabab"), codes("abab", 4)), (codes("aaaaaaaaaa"), codes("aab", 3)))
def count_matches(text, pattern):
    found = []
    for i in range(len(text) - len(pattern) + 1):
        found.append(all(text[i + j] == pattern[j] for j in range(len(pattern))))
    return sum(found)


@program(
    (codes("abxabcabcaby", 12), codes("abcaby", 6)),
    (codes("abababababab", 12), codes("abcabc", 6)),
    vmap=True,
)
def knuth_morris_pratt(text, pattern):
    m = len(pattern)
    fail = np.zeros(m, np.int32)
    k = 0
    for i in range(1, m):
        while k > 0 and pattern[k] != pattern[i]:
            k = fail[k - 1]
        if pattern[k] == pattern[i]:
            k += 1
        fail[i] = k
    k = 0
    for i in range(len(text)):
        while k > 0 and pattern[k] != text[i]:
            k = fail[k - 1]
        if pattern[k] == text[i]:
            k += 1
        if k == m:
            return i - m + 1
    return -1


@program(
    (jnp.array([1, 2, 1, 2, 3, 1, 2, 0]),),
    (jnp.array([4, 4, 4, 4, 4, 4, 0, 0]),),
    (jnp.array([1, 2, 3, 4, 5, 6, 7, 0]),),
)
def byte_pair_merge(tokens):
    n = len(tokens)
    counts = jnp.zeros((8, 8), int)
    for i in range(n - 1):
        if tokens[i] != 0 and tokens[i + 1] != 0:
            counts = counts.at[tokens[i], tokens[i + 1]].add(1)
    if counts.max() < 2:
        return tokens, n
    best = jnp.argmax(counts)
    left, right = best // 8, best % 8
    out = jnp.zeros_like(tokens)
    i = j = 0
    while i < n:
        if i + 1 < n and tokens[i] == left and tokens[i + 1] == right:
            out = out.at[j].set(9)
            i += 2
        else:
            out = out.at[j].set(tokens[i])
            i += 1
        j += 1
    return out, j


@program((np.array([3, 1, 2, 9, 2], np.int32),), (np.array([9, 9, 9, 9, 9], np.int32),))
def vocabulary_with_unknown(words):
    vocabulary = [3, 1, 2]
    ids = []
    for word in words:
        for i, known in enumerate(vocabulary):
            if word == known:
                ids.append(i)
                break
        else:
            ids.append(len(vocabulary))
    return jnp.array(ids)


WORDS = np.array([3, 1, 2, 9, 2] * 5, np.int32)


@program((WORDS,), (WORDS[:5],), (WORDS * 0 + 9,))
def vocabulary_with_a_flag(words):
    vocabulary = [3, 1, 2]
    ids = []
    for word in words:
        found = False
        for i, known in enumerate(vocabulary):
            if word == known:
                ids.append(i)
                found = True
                break
        if not found:
            ids.append(len(vocabulary))
    return jnp.array(ids)


@program((WORDS,), (WORDS[:5],))
def one_of_three_each(words):
    out = []
    for word in words:
        done = False
        if word > 5:
            out.append(1)
            done = True
        if not done and word > 2:
            out.append(2)
            done = True
        if not done:
            out.append(3)
    return jnp.array(out)


@program((codes("aaabbc", 6),), (codes("abcabc", 6),), vmap=True)
def distinct_codes(text):
    distinct = 0
    for i in range(len(text)):
        if not any(text[i] == text[j] for j in range(i)):
            distinct += 1
    return distinct


@program((codes("abc", 3),), (codes("zzz", 3),), vmap=True)
def rolling_hash(text):
    value = 7
    for c in text:
        value = (value * 31 + c) % 10007
    return value


@program(
    (np.array([0x41, 0xC3, 0xA4, 0x42], np.int32),),
    (np.array([0xC3, 0x41, 0x42, 0x43], np.int32),),
    (np.array([0xC3, 0xA4, 0xC3, 0xA4], np.int32),),
    raises=(ValueError,),
    vmap=True,
)
def utf8_length(data):
    i = characters = 0
    while i < len(data):
        if data[i] < 0x80:
            i += 1
        elif data[i] & 0xE0 == 0xC0:
            if i + 1 >= len(data) or data[i + 1] & 0xC0 != 0x80:
                raise ValueError(f"bad byte at {i + 1}")
            i += 2
        else:
            raise ValueError(f"bad byte at {i}")
        characters += 1
    return characters


@program((codes("a1"),), (codes("1a"),), (codes("ab12"),), vmap=True)
def identifier_automaton(text):
    state = 0
    for c in text:
        letter = A <= c <= Z
        digit = DIGIT_0 <= c <= DIGIT_9
        if c == SPACE:
            break
        if state == 0:
            state = 1 if letter else 9
        elif state == 1:
            if letter:
                pass
            elif digit:
                state = 2
            else:
                state = 9
        elif state == 2 and not digit:
            state = 9
    return state in (1, 2)


@program((codes("run"),), (codes("stop"),), (codes("walk"),))
def command_by_text(text):
    length = sum(1 for c in text if c != SPACE)
    command = "run" if length == 3 else "stop"
    if command == "run":
        speed = 5
    else:
        speed = 0
    return speed, command


@program((np.array([2, 7, 1, 8], np.int32),), (np.array([0, 0, 0, 0], np.int32),), vmap=True)
def luhn_check(digits):
    total = 0
    for i, d in enumerate(reversed(digits)):
        if i % 2 == 1:
            d = d * 2
            if d > 9:
                d -= 9
        total += d
    return total % 10 == 0


@program((5,), (255,), (0,), vmap=True)
def binary_digits(n):
    bits = np.zeros(8, np.int32)
    i = 0
    while n > 0:
        n, bit = divmod(n, 2)
        bits[7 - i] = bit
        i += 1
    return bits, i
