"""A patched checkout between its build and its verdict: nothing may take the patch's place in it."""

from __future__ import annotations

from pathlib import Path

from harness.errors import Rejected
from harness.fingerprint import Fingerprint, is_importable


class BuiltTree:
    """A patched checkout as it was when it had been built, before any of it ran.

    What runs in it afterwards (its tests, its workers) could put another version in its own place: one for the
    checker, one for the clock. So nothing that can be imported from it may change or appear any more.

    Args:
        root: the checkout.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._built = Fingerprint.of([root])

    def require_unchanged(self) -> None:
        """Look again.

        Raises:
            Rejected: `tree_changed`; the message names the file.
        """
        now = Fingerprint.of([self._root])
        different = [*self._built.changed(now), *(path for path in self._built.added(now) if is_importable(path))]
        if different:
            name = different[0].relative_to(self._root)
            raise Rejected("tree_changed", f"{name} changed after the build, while the patch's own code was running.")
