"""A change of captions that depends on each tag alone: computed once per tag, then looked up."""

from collections.abc import Callable, Sequence

from prep import captions

_SEVERAL = "\ue000"
"""Prefix of a tag that becomes several: a private-use character."""


class TagMap:
    """Replaces each tag with none, one or several.

    Example:
        >>> change = TagMap(lambda tag: {"a": ["x", "y"], "b": []}.get(tag, [tag]))
        >>> change(["a", "b", "c"])
        ['x', 'y', 'c']
    """

    def __init__(self, function: Callable[[str], Sequence[str]]) -> None:
        """Start with an empty cache.

        Args:
            function: Returns the tags that a tag becomes; must be pure.
        """
        self._function = function
        self._same: set[str] = set()
        self._several: dict[str, Sequence[str]] = {}
        # One text per tag, so that a caption costs one lookup in C for each of its tags.
        self._found = captions.TagCache(self._one)

    def __call__(self, tags: list[str]) -> list[str]:
        """Return the mapped tags, in order: the same list if nothing changes."""
        if self._same.issuperset(tags):
            return tags
        found = list(filter(None, map(self._found.__getitem__, tags)))
        if self._several and not self._several.keys().isdisjoint(found):
            return [tag for name in found for tag in self._several.get(name, (name,))]
        return found

    def _one(self, tag: str) -> str:
        new = self._function(tag)
        if len(new) == 1:
            if new[0] == tag and len(self._same) < captions.REMEMBERED:
                self._same.add(tag)
            return new[0]
        if not new:
            return ""
        self._several[_SEVERAL + tag] = new
        return _SEVERAL + tag
