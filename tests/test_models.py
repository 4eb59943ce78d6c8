"""The registry of known checkpoints: its names, and its facts against what is published and against each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.known_spec import golden_size, known_spec
from depth_anything_ros.models import LAYERS, MODELS, NUM_PARAMETERS, KnownModel, find_model, get_model, is_model_name
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import spec_from_dict, spec_to_dict

BY_NAME = {model.name: model for model in MODELS}
IDS = [model.name for model in MODELS]


def test_the_family_is_complete() -> None:
    sizes = ("small", "base", "large")
    expected = {f"{kind}-{size}" for kind in ("v1", "v2", "v2-metric-indoor", "v2-metric-outdoor") for size in sizes}
    assert set(IDS) == expected | {"da3metric-large", "da3mono-large"} and len(IDS) == 14


@pytest.mark.parametrize(
    ("name", "hub_id", "file", "transformers_id"),
    [
        ("v1-small", "LiheYoung/depth_anything_vits14", "pytorch_model.bin", "LiheYoung/depth-anything-small-hf"),
        ("v1-large", "LiheYoung/depth_anything_vitl14", "pytorch_model.bin", "LiheYoung/depth-anything-large-hf"),
        (
            "v2-base",
            "depth-anything/Depth-Anything-V2-Base",
            "depth_anything_v2_vitb.pth",
            "depth-anything/Depth-Anything-V2-Base-hf",
        ),
        (
            "v2-metric-indoor-small",
            "depth-anything/Depth-Anything-V2-Metric-Hypersim-Small",
            "depth_anything_v2_metric_hypersim_vits.pth",
            "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        ),
        (
            "v2-metric-outdoor-large",
            "depth-anything/Depth-Anything-V2-Metric-VKITTI-Large",
            "depth_anything_v2_metric_vkitti_vitl.pth",
            "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf",
        ),
        ("da3metric-large", "depth-anything/DA3METRIC-LARGE", "model.safetensors", None),
        ("da3mono-large", "depth-anything/DA3MONO-LARGE", "model.safetensors", None),
    ],
)
def test_addresses_are_those_of_the_hub(name: str, hub_id: str, file: str, transformers_id: str | None) -> None:
    model = BY_NAME[name]
    assert (model.hub_id, model.hub_file, model.transformers_id) == (hub_id, file, transformers_id)


def test_no_two_models_share_a_name_or_an_address() -> None:
    words = [word.lower() for model in MODELS for word in (model.name, *model.hub_ids, model.onnx_id) if word]
    assert [word for word, count in Counter(words).items() if count > 1] == []


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("v1-small", (8, 9, 10, 11)),
        ("v1-base", (8, 9, 10, 11)),
        ("v1-large", (20, 21, 22, 23)),
        ("v2-small", (2, 5, 8, 11)),
        ("v2-metric-outdoor-base", (2, 5, 8, 11)),
        ("v2-large", (4, 11, 17, 23)),
        ("da3metric-large", (4, 11, 17, 23)),
    ],
)
def test_the_decoder_is_fed_by_the_published_layers(name: str, taps: tuple[int, ...]) -> None:
    assert BY_NAME[name].taps == taps


@pytest.mark.parametrize("known", MODELS, ids=IDS)
def test_facts_fit_together(known: KnownModel) -> None:
    assert known.taps[-1] == LAYERS[known.size] - 1
    heads = {"metric_fixed": "sigmoid", "metric_canonical": "exp"}
    assert known.head == heads.get(known.meaning, "exp" if known.family == "da3" else "relu")
    assert (known.quantity == "disparity") == (known.head == "relu")
    assert (known.sky_threshold is not None) == (known.family == "da3")
    assert (known.training_focal_px is not None) == (known.meaning == "metric_fixed")
    assert known.hub_size_bytes >= 4 * NUM_PARAMETERS[known.size]
    assert bool(known.onnx_id) == bool(known.onnx_file)
    assert known.licence.source


def test_metric_ranges_and_focal_lengths_are_those_of_the_training_data() -> None:
    assert (BY_NAME["v2-metric-indoor-small"].max_depth_m, BY_NAME["v2-metric-outdoor-small"].max_depth_m) == (
        20.0,
        80.0,
    )
    # Hypersim: 1024x768 at 886.81 px. Virtual KITTI 2: 1242x375 at 725 px. Both at a short side of 518.
    assert BY_NAME["v2-metric-indoor-small"].training_focal_px == pytest.approx(598.1, abs=0.1)
    assert BY_NAME["v2-metric-outdoor-small"].training_focal_px == pytest.approx(1001.5, abs=0.1)
    assert BY_NAME["da3metric-large"].canonical_focal_px == 300.0
    assert BY_NAME["da3metric-large"].sky_threshold == 0.3


@pytest.mark.parametrize(
    ("camera", "official", "transformers"),
    [
        ((640, 480), (518, 686), (518, 686)),
        ((1280, 720), (518, 924), (518, 924)),
        ((1242, 375), (518, 1722), (518, 1722)),
        ((640, 360), (518, 924), (294, 518)),
        ((640, 400), (518, 826), (322, 518)),
        ((424, 240), (518, 910), (294, 518)),
        ((320, 240), (518, 686), (392, 518)),
    ],
)
def test_sizes_at_the_network_are_those_of_both_rules(
    camera: tuple[int, int], official: tuple[int, int], transformers: tuple[int, int]
) -> None:
    model = BY_NAME["v2-small"]
    assert network_size(*camera, model.resize) == official
    assert network_size(*camera, model.transformers_resize) == transformers


@pytest.mark.parametrize(
    ("camera", "size"), [((640, 480), (378, 504)), ((1280, 720), (280, 504)), ((1242, 375), (154, 504))]
)
def test_sizes_of_depth_anything_3(camera: tuple[int, int], size: tuple[int, int]) -> None:
    assert network_size(*camera, BY_NAME["da3metric-large"].resize) == size


def test_licences_are_those_of_the_authors() -> None:
    categories = {model.name: model.licence.category for model in MODELS}
    assert {name for name, category in categories.items() if category == "permissive"} == {
        *("v1-small", "v1-base", "v2-small", "v2-metric-indoor-small", "v2-metric-outdoor-small"),
        *("da3metric-large", "da3mono-large"),
    }
    assert {name for name, category in categories.items() if category == "non-commercial"} == {"v2-base", "v2-large"}
    for model in MODELS:
        expected = {"permissive": "Apache-2.0", "non-commercial": "CC-BY-NC-4.0", "unclear": "unclear"}
        assert model.licence.id == expected[model.licence.category]


def test_names_and_ids_are_found_in_any_case() -> None:
    assert find_model(" V2-Small ") is BY_NAME["v2-small"]
    assert find_model("Depth-Anything/depth-anything-v2-small") is BY_NAME["v2-small"]
    assert find_model("liheyoung/DEPTH-ANYTHING-LARGE-HF") is BY_NAME["v1-large"]
    assert find_model("starter") is None and find_model("") is None


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match="no known model 'v2-metric-indoor-smal'; did you mean v2-metric-indoor-small"
    ):
        get_model("v2-metric-indoor-smal")
    with pytest.raises(ConfigError, match=r"no known model 'resnet'; accepted: v1-small, .*, or one of their hub ids"):
        get_model("resnet")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v2-small", True),
        ("depth-anything/DA3METRIC-LARGE", True),
        ("v2-giant", True),
        ("da3-large", True),
        ("starter", False),
        ("v2-small.onnx", False),
        ("nets/v2-small", False),
        ("plane:", False),
    ],
)
def test_what_can_only_be_a_name(text: str, expected: bool) -> None:
    assert is_model_name(text) is expected


@pytest.mark.parametrize("known", MODELS, ids=IDS)
@pytest.mark.parametrize("transformers_rule", [False, True])
def test_every_model_gives_a_spec_that_can_be_read(known: KnownModel, transformers_rule: bool) -> None:
    spec = known_spec(known, transformers_rule=transformers_rule, artifact="a.onnx", artifact_sha256="0" * 64)
    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(spec)))) == spec
    assert golden_size(spec) == ((378, 504) if known.family == "da3" else (518, 686))
    assert (spec.sky_output is not None) == (known.sky_threshold is not None)


def test_the_expected_slices_belong_to_known_models() -> None:
    path = Path(__file__).parents[2] / "shared" / "data" / "hf_expected" / "expected.json"
    if not path.is_file():
        pytest.skip("the expected slices lie beside the checkout")
    ids = [found[1] for key in json.loads(path.read_text("utf-8")) if (found := re.match(r"(\S+-hf) \(", key))]
    assert len(ids) == 2 and all(find_model(hub_id) is not None for hub_id in ids)
