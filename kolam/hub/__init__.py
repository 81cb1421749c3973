"""Names and versions for models.

In: a `SavedModel` (or its folder) and a name. Out: the same model by ``"name@version"``, every
byte checked against the digest that was written when it was published. A hub is a plain folder.
Refused: names that could leave the folder, and artefacts that are not what was published.
"""

from kolam.hub._folder import Entry, default_hub, load, models, publish, resolve

__all__ = ["Entry", "default_hub", "load", "models", "publish", "resolve"]
