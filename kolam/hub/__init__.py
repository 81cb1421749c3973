"""Names and versions for models.

In: a `SavedModel` (or its folder) and a name. Out: the same model by ``"name@version"``, every
byte checked against the digest that was written when it was published. A hub is a plain folder.
Refused: names that could leave the folder, and artefacts that are not what was published.
"""

from kolam.hub._folder import (
    Entry,
    check_name,
    default_hub,
    load,
    models,
    publish,
    resolve,
    versions_of,
)

__all__ = [
    "Entry",
    "check_name",
    "default_hub",
    "load",
    "models",
    "publish",
    "resolve",
    "versions_of",
]
