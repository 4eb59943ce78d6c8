"""Stage ``metric``: train a network to metres at the canonical focal length, by a recipe."""

from __future__ import annotations

import json
from pathlib import Path

from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.spec import ResizeRule

from .augment import INTERPOLATION
from .batches import open_source
from .config import TrainConfig, config_to_dict
from .evaluate import network_predictor, score
from .loop import fit


def resize_rule(config: TrainConfig) -> ResizeRule:
    """The rule that a network of this recipe is used with: its largest trained short side."""
    return ResizeRule(kind="short_side", side=max(config.short_sides), interpolation=INTERPOLATION)


def run(config: TrainConfig, out: Path) -> Path:
    """Train into ``out`` (continuing what is there), leave ``recipe.json``, ``log.jsonl`` and ``DONE``; return the
    checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = out / "DONE"
    done.unlink(missing_ok=True)
    (out / "recipe.json").write_text(json.dumps(config_to_dict(config), indent=1) + "\n", encoding="utf-8")
    held_out = {
        f"{item.dataset}[{item.first}:{item.last}]": next(map(open_source, [item])) for item in config.validation
    }

    def validate(network: DepthNetwork) -> dict[str, float]:
        predict = network_predictor(network, resize_rule(config))
        figures: dict[str, float] = {}
        for name, samples in held_out.items():
            scores = score(predict, [samples[index] for index in range(len(samples))])
            figures |= {f"{name} {key}": round(scores[key], 4) for key in ("abs_rel", "median_abs_rel", "silog")}
        return figures

    path = fit(config, out, validate=validate if held_out else None)
    done.write_text("", encoding="utf-8")
    return path
