"""The source of an expression that makes a random value like some that were seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.drafting.seen import LONG_TEXT, Described

LEAST_SIZE = 8
_FIXED = 8
_MOST_CHOICES = 20


@dataclass
class Plan:
    """How inputs are made.

    Attributes:
        size: what `n` was in the largest call that was seen.
        by_number: `n` is a number that is given, not a length.
        expressions: parameter -> source of an expression over `n` and `rng`.
        notes: what was guessed.
        torch: whether an expression needs it.
    """

    size: int
    by_number: str | None = None
    expressions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    torch: bool = False


class Writer:
    """Writes the expression of one parameter."""

    def __init__(self, plan: Plan, name: str, linked: set[str]) -> None:
        self.plan = plan
        self.name = name
        self.linked = linked
        self.noted: set[str] = set()
        self.inside = False  # what is not the argument itself should differ from element to element

    def top(self, samples: list[Described]) -> str:
        """The expression of the parameter itself."""
        first = samples[0]
        if self.name == self.plan.by_number:
            return "int(rng.integers(n - n // 8, n, endpoint=True))"
        if self.name in self.linked and int(first.high or 0) == self.plan.size:
            self.note("was a length of another argument in every call seen, and is tied to it")
            return "n"
        return self.write(samples)

    def note(self, text: str) -> None:
        """Say once what was guessed."""
        if text not in self.noted:
            self.noted.add(text)
            self.plan.notes.append(f"make_inputs, `{self.name}`: {text}")

    def write(self, samples: list[Described]) -> str:
        """An expression for a value of which these were seen, the one of the largest call first."""
        kind = samples[0].kind
        kinds = {each.kind for each in samples}
        if kinds == {"int", "float"}:
            kind = "float"
        elif len(kinds) > 1:
            self.note(f"was of several kinds ({', '.join(sorted(kinds))}); only {kind} is made")
        alike = samples if kind == "float" else [each for each in samples if each.kind == kind]
        return getattr(self, f"_{kind}")(alike)  # type: ignore[no-any-return]

    def _none(self, _samples: list[Described]) -> str:
        return "None"

    def _bool(self, samples: list[Described]) -> str:
        values = {bool(each.high) for each in samples}
        return repr(values.pop()) if len(values) == 1 else "bool(rng.integers(2))"

    def _int(self, samples: list[Described]) -> str:
        low, high = _range(samples)
        if low == high:
            return repr(int(low))
        self.note(f"whole numbers from {int(low)} to {int(high)}, evenly, as seen")
        return f"int(rng.integers({int(low)}, {int(high)}, endpoint=True))"

    def _float(self, samples: list[Described]) -> str:
        if not all(_finite(each) for each in samples):
            self.note("NaN or infinity was seen; what is made is between -1 and 1")
            return "float(rng.uniform(-1.0, 1.0))"
        low, high = _range(samples)
        if low == high:
            return repr(float(low))
        self.note(f"numbers from {low:.6g} to {high:.6g}, evenly, as seen")
        return f"float(rng.uniform({float(low)!r}, {float(high)!r}))"

    def _str(self, samples: list[Described]) -> str:
        texts = list(dict.fromkeys(each.text for each in samples))
        if all((each.length or 0) <= LONG_TEXT for each in samples):
            if len(texts) == 1 and not self.inside:
                return repr(texts[0])
            if len(texts) == 1:
                self.note("only one text was seen; random ones of its letters and length are made")
                return f'"".join(rng.choice(list({texts[0]!r} or [""]), size={samples[0].length or 0}))'
            self.note("one of the texts that were seen")
            return f"str(rng.choice({texts[:_MOST_CHOICES]!r}))"
        self.note("random characters out of those seen; if a text has a grammar, write it with that")
        letters = "".join(sorted({letter for text in texts for letter in text}))
        return f'"".join(rng.choice(list({letters!r}), size={self.size(samples[0].length or 0)}))'

    def _bytes(self, samples: list[Described]) -> str:
        return f"rng.bytes({self.size(samples[0].length or 0)})"

    def _list(self, samples: list[Described]) -> str:
        return self._sequence(samples, "list")

    def _tuple(self, samples: list[Described]) -> str:
        return self._sequence(samples, "tuple")

    def _sequence(self, samples: list[Described], kind: str) -> str:
        first = samples[0]
        lengths = {each.length or 0 for each in samples}
        filled = [each for each in samples if each.items]
        if not filled:
            return "[]" if kind == "list" else "()"
        kinds = {item.kind for each in filled for item in each.items}
        if len(lengths) == 1 and (first.length or 0) <= _FIXED and (kind == "tuple" or len(kinds) > 1):
            parts = [self.write([each.items[at] for each in filled]) for at in range(first.length or 0)]
            inside = ", ".join(parts) + ("," if len(parts) == 1 and kind == "tuple" else "")
            return f"({inside})" if kind == "tuple" else f"[{inside}]"
        if kinds <= {"int", "float"} and all(each.low is not None for each in filled):
            made = self._numbers(filled, "int64" if kinds == {"int"} else "float64", [self.length(samples)])
            made = f"{made}.tolist()"
        else:
            self.inside = True
            made = self.write([item for each in filled for item in each.items])
            made = f"[{made} for _ in range({self.length(samples)})]"
        return made if kind == "list" else f"tuple({made})"

    def _dict(self, samples: list[Described]) -> str:
        filled = [each for each in samples if each.entries]
        if not filled:
            return "{}"
        names = [tuple(key.text for key, _ in each.entries) for each in filled]
        is_record = all(key.kind == "str" for each in filled for key, _ in each.entries)
        if is_record and len(set(names)) == 1 and (filled[0].length or 0) == len(names[0]) <= 4 * _FIXED:
            by_key = [self.write([each.entries[at][1] for each in filled]) for at in range(len(names[0]))]
            return "{" + ", ".join(f"{name!r}: {made}" for name, made in zip(names[0], by_key, strict=True)) + "}"
        key = self.write([key for each in filled for key, _ in each.entries])
        value = self.write([value for each in filled for _, value in each.entries])
        if key.startswith(("'", '"')) or "rng." not in key:
            key = 'f"key{rng.integers(2**31)}"' if filled[0].entries[0][0].kind == "str" else key
        self.note("a mapping: keys are drawn like those seen, and equal ones fall together")
        return f"{{{key}: {value} for _ in range({self.length(samples)})}}"

    def _array(self, samples: list[Described]) -> str:
        first = samples[0]
        return self._numbers([each for each in samples if each.dtype == first.dtype], first.dtype, self.shape(first))

    def _scalar(self, samples: list[Described]) -> str:
        whole = samples[0].dtype.startswith(("int", "uint"))
        inner = (
            self._bool(samples) if samples[0].dtype == "bool" else self._int(samples) if whole else self._float(samples)
        )
        return f"np.{samples[0].dtype if samples[0].dtype != 'bool' else 'bool_'}({inner})"

    def _tensor(self, samples: list[Described]) -> str:
        first = samples[0]
        self.plan.torch = True
        dtype = "float32" if first.dtype == "bfloat16" else first.dtype
        made = self._numbers([each for each in samples if each.dtype == first.dtype], dtype, self.shape(first))
        made = f"torch.from_numpy(np.asarray({made}))"
        if first.dtype == "bfloat16":
            made += ".to(torch.bfloat16)"
        if first.grad:
            self.note("required a gradient; what a worker is sent does not: call `requires_grad_` in `call` if it must")
        return made

    def _numbers(self, samples: list[Described], dtype: str, shape: list[str]) -> str:
        """Random numbers like those of arrays or flat lists."""
        first = samples[0]
        size = shape[0] if len(shape) == 1 else f"({', '.join(shape)})"
        if first.low is None and first.finite:
            return f'np.zeros({size}, dtype="{dtype}")'
        usable = [each for each in samples if each.low is not None and each.finite]
        low, high = _range(usable) if usable else (-1, 1)
        if dtype == "bool":
            return f"(rng.random({size}) < 0.5)"
        if not usable or len(usable) < len(samples):
            self.note("NaN or infinity was seen, and is not made")
        if dtype.startswith("complex"):
            return f'(rng.normal(size={size}) + 1j * rng.normal(size={size})).astype("{dtype}")'
        if dtype.startswith("float"):
            self.note(f"numbers from {low:.6g} to {high:.6g}, evenly, as seen")
            made = f"rng.uniform({float(low)!r}, {float(high)!r}, size={size})"
            made = f'{made}.astype("{dtype}")' if dtype != "float64" else made
        else:
            made = self._whole_numbers(samples, int(low), int(high), dtype, size)
        is_sorted = all(each.sorted for each in samples) and "permutation" not in made
        if is_sorted and len(shape) == 1 and (first.length or first.shape[0]) > 2:
            self.note("was in ascending order, and is made so")
            made = f"np.sort({made})"
        return made

    def _whole_numbers(self, samples: list[Described], low: int, high: int, dtype: str, size: str) -> str:
        length = samples[0].length if samples[0].length is not None else samples[0].shape[0] if samples[0].shape else 0
        if all(each.distinct for each in samples) and (low, high) == (0, length - 1) and length > 2:
            self.note("held every number below its length once, and is made as a permutation")
            return f'rng.permutation({size}).astype("{dtype}")'
        if low >= 0 and self.plan.size >= LEAST_SIZE and self.plan.size // 2 <= high < self.plan.size:
            self.note("stayed below the size and came near it: taken for positions, drawn below n")
            return f'rng.integers({low}, n, size={size}, dtype="{dtype}")'
        self.note(f"whole numbers from {low} to {high}, evenly, as seen")
        return f'rng.integers({low}, {high}, size={size}, endpoint=True, dtype="{dtype}")'

    def shape(self, described: Described) -> list[str]:
        """Dimensions as expressions; an array without any is a number in an array."""
        return [self.size(each) for each in described.shape] or ["()"]

    def length(self, samples: list[Described]) -> str:
        """A sequence's length: the size, or as many as were seen."""
        first = samples[0].length or 0
        low, high = min(each.length or 0 for each in samples), max(each.length or 0 for each in samples)
        made = self.size(first)
        if made == str(first) and low != high:
            self.note(f"{low} to {high} long, as seen")
            return f"int(rng.integers({low}, {high}, endpoint=True))"
        return made

    def size(self, length: int) -> str:
        """A length as an expression over `n`."""
        if self.plan.by_number is None and length >= 2:
            if length == self.plan.size:
                return "n"
            if self.plan.size >= LEAST_SIZE and abs(length - self.plan.size) == 1:
                return "n + 1" if length > self.plan.size else "n - 1"
        return str(length)


def _range(samples: list[Described]) -> tuple[float, float]:
    return min(each.low or 0 for each in samples), max(each.high or 0 for each in samples)


def _finite(described: Described) -> bool:
    return described.finite and abs(float(described.high or 0)) < float("inf")
