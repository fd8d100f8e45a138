"""What a model file may hold: a fixed list, never what the file itself names.

skops builds only types that it trusts or that it is told to trust. Its own defaults are
scikit-learn's public estimators, their losses and numpy's types. Added here are the private types
that the common estimators need besides, each by name, and the classes below prefixes that the
caller trusts. On top of that only the kinds of nodes listed here may occur, so that those which
call a method, an operator or a constructor with the file's own arguments never do.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from typing import Any

import skops.io

from components.model.archive import SCHEMA, nodes, pack

# The protocol is the file's own claim, and older ones select older, laxer nodes.
_PROTOCOL = 2
# The kinds of nodes that may occur. Those with a tuple call the type that they name with the
# file's own arguments: only types that begin so may stand there, whatever else is trusted.
_LOADERS: dict[str, tuple[str, ...]] = {
    "BytearrayNode": ("builtins.bytearray",),
    "BytesNode": ("builtins.bytes",),
    "DTypeNode": (),
    "DictNode": ("builtins.dict", "collections.OrderedDict"),
    "FunctionNode": (),
    "JsonNode": (),
    "ListNode": ("builtins.list",),
    "LossNode": ("sklearn._loss._loss.", "sklearn.linear_model._sgd_fast."),
    "MaskedArrayNode": (),
    "NdArrayNode": ("numpy.",),
    "ObjectNode": (),
    "PartialNode": ("functools.partial",),
    "RandomGeneratorNode": ("numpy.random.",),
    "RandomStateNode": ("numpy.random.",),
    "SetNode": ("builtins.set",),
    "SliceNode": (),
    "TreeNode": ("sklearn.tree._tree.Tree",),
    "TupleNode": ("builtins.tuple",),
    "TypeNode": (),
}
_CHECK_ARRAY = "sklearn.utils.validation.check_array"
TYPES = (
    "numpy.dtype",
    # HistGradientBoosting passes numbers through a partial of check_array.
    "functools.partial",
    _CHECK_ARRAY,
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    # Trees hold raw indices: components.model.soundness checks them after loading.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
)


class Foreign(Exception):  # noqa: N818 - not an error by itself: the caller decides what it means
    """A model file holds what it may not; the message names it."""


class Untrusted(Foreign):
    """It holds types of packages that the caller has not said to trust."""


def trusted_types(members: dict[str, bytes], prefixes: Sequence[str]) -> list[str]:
    """Audit a model file without building anything from it.

    Args:
        members: the archive's files by name.
        prefixes: packages whose classes the caller trusts besides, such as `xgboost.`; the fixed
            list already speaks for scikit-learn, so `sklearn.` adds nothing.

    Returns:
        The types to pass to skops as trusted.

    Raises:
        Untrusted: naming the types that are not allowed.
        Foreign: naming what no model file holds.
    """
    schema = json.loads(members[SCHEMA])
    if schema.get("protocol") != _PROTOCOL:
        raise Foreign(f"its format is skops protocol {schema.get('protocol')!r}")
    for node in nodes(schema):
        _check_node(node)
    unknown = set(skops.io.get_untrusted_types(data=pack(members))) - set(TYPES)
    open_prefixes = tuple(p for p in prefixes if not _is_scikit_learn(p))
    foreign = sorted(name for name in unknown if not _is_class_below(name, open_prefixes))
    if foreign:
        raise Untrusted(f"it holds {', '.join(foreign[:5])}")
    return [*TYPES, *sorted(unknown)]


def _check_node(node: dict[str, Any]) -> None:
    loader, name = node["__loader__"], f"{node.get('__module__')}.{node.get('__class__')}"
    if loader not in _LOADERS or not name.startswith(_LOADERS[loader] or name):
        raise Foreign(f"it holds {name} as a {loader}")
    if loader == "PartialNode":
        function = node["content"]["func"]
        inner = f"{function.get('__module__')}.{function.get('__class__')}"
        if inner != _CHECK_ARRAY:
            raise Foreign(f"it holds a call of {inner}")


def _is_scikit_learn(prefix: str) -> bool:
    return prefix.startswith("sklearn.") or "sklearn.".startswith(prefix)


def _is_class_below(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a name is a class defined below the prefixes, and not just visible from there.

    A trusted package's module may have imported `os.system`: its name alone proves nothing.
    """
    if not prefixes or not name.startswith(prefixes):
        return False
    module, _, attribute = name.rpartition(".")
    if "__main__" in module.split("."):  # the one kind of module whose very import is a program
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and f"{found.__module__}.".startswith(prefixes)
