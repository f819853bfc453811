"""A slow range coder in whole numbers of any size, against which the library's is held.

From its interval [low, low + size) every symbol takes its part; whenever 16 bits or fewer are left, the interval is
widened 16 bits. Carries need no care where low may grow without bound (Martin, Range Encoding, 1979).
"""

WINDOW, STEP = 32, 16


def parts_of(value, row):
    """What `value` is coded as with a row [-precision, counts...]: (lower, upper, precision) one after another."""
    precision, counts = -row[0], row[1:]
    escape = len(counts) - 2
    symbol = value if 0 <= value < escape else escape
    yield counts[symbol], counts[symbol + 1], precision
    if symbol == escape:
        number = -value if value < 0 else value - escape + 1
        bits = [int(bit) for bit in bin(number)[2:]]
        for bit in [0] * (len(bits) - 1) + bits + [int(value < 0)]:
            yield bit, bit + 1, 1


def encode(values, rows):
    """The bytes of values, each coded with its row."""
    low, size, length = 0, 1 << WINDOW, WINDOW
    for value, row in zip(values, rows, strict=True):
        for lower, upper, precision in parts_of(value, row):
            first, last = size * lower >> precision, size * upper >> precision
            low, size = low + first, last - first
            if size <= 1 << STEP:
                low, size, length = low << STEP, size << STEP, length + STEP
    return low.to_bytes(length // 8, "big")


def decode(content, rows):
    """The values that `content` holds, each coded with its row."""
    coder = _Decoder(content)
    return [_value(coder, row) for row in rows]


def _value(coder, row):
    escape = len(row) - 3
    symbol = coder.symbol(row[1:], -row[0])
    if symbol < escape:
        return symbol
    length = 0
    while coder.bit() == 0:
        length += 1
    number = 1
    for _ in range(length):
        number = 2 * number + coder.bit()
    return -number if coder.bit() else number + escape - 1


class _Decoder:
    def __init__(self, content):
        self._bytes = iter(content)
        self._size, self._offset = 1 << WINDOW, 0
        self._read(WINDOW)

    def symbol(self, counts, precision):
        edges = [self._size * count >> precision for count in counts]
        found = max(place for place in range(len(counts) - 1) if edges[place] <= self._offset)
        self._offset -= edges[found]
        self._size = edges[found + 1] - edges[found]
        if self._size <= 1 << STEP:
            self._size <<= STEP
            self._read(STEP)
        return found

    def bit(self):
        return self.symbol([0, 1, 2], 1)

    def _read(self, bits):
        for _ in range(bits // 8):
            self._offset = 256 * self._offset + next(self._bytes, 0)
