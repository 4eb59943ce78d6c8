"""Terms of weights: what is permissive is used freely, anything else only after it was accepted by its name."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from .errors import LicenceError
from .spec import EngineSpec, Licence

UNCLEAR = "unclear"


def name_to_accept(licence: Licence) -> str:
    """What a user names to accept these terms: the licence's id, or "unclear"; empty where nothing need be accepted."""
    if licence.category == "permissive":
        return ""
    return UNCLEAR if licence.category == UNCLEAR else licence.id.lower()


def check_licence(what: str, licence: Licence, accepted: Sequence[str]) -> str | None:
    """Return how the terms were accepted, for ``EngineSpec.licence_accepted``; None where nothing need be accepted.

    ``what`` is the network's name, for the message; ``accepted`` are the names that the user gave. Raises LicenceError
    for terms that are not among them.
    """
    needed = name_to_accept(licence)
    if not needed:
        return None
    if needed not in {name.strip().lower() for name in accepted}:
        terms = "of unclear licence" if needed == UNCLEAR else f"licensed {licence.id} ({licence.category})"
        raise LicenceError(
            f"the weights of {what} are {terms}: {licence.source}; to use them nevertheless, say"
            f" --accept-license {needed} (the node: accept_license:={needed})"
        )
    return f"{needed}, named by the user on {datetime.date.today().isoformat()}"


def accept_spec(spec: EngineSpec, accepted: Sequence[str]) -> EngineSpec:
    """The spec with its terms accepted, by what it already says or by ``accepted``; raises LicenceError otherwise."""
    if spec.licence_accepted is not None:
        return spec
    return dataclasses.replace(spec, licence_accepted=check_licence(spec.name, spec.licence, accepted))
