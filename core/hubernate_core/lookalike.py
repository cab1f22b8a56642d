"""Names that a person would read as another's: letters of one script drawn like those of another (B04).

After Unicode Technical Standard 39, cut down to what is confused with Latin: whoever mixes Latin with Cyrillic, Greek,
Armenian, Cherokee or Coptic in one name, or writes a name of such letters alone that all look Latin, has no name that
could be told apart by eye.
"""

import unicodedata

_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_CYRILLIC = dict(zip("асԁеһіјӏоԛрѕѵԝху", "acdehijloqpsvwxy", strict=True))
_OTHERS = {"α": "a", "ι": "i", "ν": "v", "ο": "o", "ρ": "p", "ϲ": "c", "ϳ": "j", "ո": "n", "օ": "o", "ս": "u", "ց": "g"}
_LATIN = _CYRILLIC | _OTHERS
"""Small letters by the small Latin letter that they look like; names are case folded before they come here."""


def look_alike(name: str) -> str:
    """Why a normalised `name` cannot be told from another by eye, as half a sentence; empty: it can."""
    letters = [char for char in name if char.isalpha()]
    foreign = [char for char in letters if _script(char) in _SCRIPTS]
    if not foreign:
        return ""
    if len({_script(char) for char in letters} & {"LATIN", *_SCRIPTS}) > 1:
        return f"it mixes {' and '.join(sorted({_script(char).title() for char in letters}))} letters"
    if all(char in _LATIN for char in letters):
        return f"it looks like {''.join(_LATIN.get(char, char) for char in name)!r}"
    return ""


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
