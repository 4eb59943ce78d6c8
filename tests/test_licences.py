"""Terms of weights: nothing but the right name accepts them, and how it was done is kept."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import LicenceError
from depth_anything_ros.licences import accept_spec, check_licence, name_to_accept
from depth_anything_ros.spec import LICENCE_CATEGORIES, Licence
from tests.tiny_networks import make_spec, write_network

APACHE = Licence(id="Apache-2.0", category="permissive", source="LICENSE")
NON_COMMERCIAL = Licence(id="CC-BY-NC-4.0", category="non-commercial", source="README of somewhere")
UNCLEAR = Licence(id="unclear", category="unclear", source="somewhere#1 is unanswered")


def test_each_category_has_its_name() -> None:
    found = {licence.category: name_to_accept(licence) for licence in (APACHE, NON_COMMERCIAL, UNCLEAR)}
    assert found == {"permissive": "", "non-commercial": "cc-by-nc-4.0", "unclear": "unclear"}
    assert set(found) == set(LICENCE_CATEGORIES)


def test_permissive_terms_need_nothing() -> None:
    assert check_licence("net", APACHE, ()) is None
    assert check_licence("net", APACHE, ["unclear"]) is None


@pytest.mark.parametrize("licence", [NON_COMMERCIAL, UNCLEAR])
def test_other_terms_need_their_name(licence: Licence) -> None:
    needed = name_to_accept(licence)
    for accepted in ((), ("",), ("yes",), ("all", "*"), ("cc-by-nc-4.0" if needed == "unclear" else "unclear",)):
        with pytest.raises(LicenceError) as caught:
            check_licence("net", licence, accepted)
        message = str(caught.value)
        assert "net" in message and licence.source in message and f"--accept-license {needed}" in message
        assert f"accept_license:={needed}" in message and "\n" not in message
    act = check_licence("net", licence, ["mit", f" {needed.upper()} "])
    assert act == f"{needed}, named by the user on {datetime.date.today().isoformat()}"


def test_a_spec_keeps_its_acceptance() -> None:
    spec = make_spec(licence=NON_COMMERCIAL)
    with pytest.raises(LicenceError, match="the weights of tiny"):
        accept_spec(spec, ())
    accepted = accept_spec(spec, ["cc-by-nc-4.0"])
    assert accepted.licence_accepted is not None and accepted.licence_accepted.startswith("cc-by-nc-4.0, named")
    earlier = dataclasses.replace(spec, licence_accepted="cc-by-nc-4.0, named by the user on 2025-01-01")
    assert accept_spec(earlier, ()) is earlier
    assert accept_spec(make_spec(), ()).licence_accepted is None


def test_a_network_is_not_loaded_before_its_terms_are_accepted(tmp_path: Path) -> None:
    path = write_network(tmp_path, licence=UNCLEAR)
    with pytest.raises(LicenceError, match="of unclear licence: somewhere#1"):
        load_engine(path, engine="onnxruntime")
    with load_engine(path, engine="onnxruntime", accept_license=("unclear",)) as engine:
        assert str(engine.spec.licence_accepted).startswith("unclear, named by the user")
