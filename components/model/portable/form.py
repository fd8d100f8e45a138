"""What a model's ONNX file looks like: the names, versions and operators that may occur in it.

The graph takes `numeric`, doubles of shape [n, numeric columns] with NaN for missing, and
`categorical`, texts of shape [n, categorical columns] with "" for missing; a model without columns
of a kind has no such input. It answers with exactly one output: `probability`, doubles of shape
[n, classes], `code`, the class's position [n], or `value`, doubles [n] for regression.
"""

from __future__ import annotations

from typing import Literal

from components.core.verdict import Document
from components.model.records import Label
from components.spec.model import Columns, Task

Output = Literal["probability", "code", "value"]

FORMAT = 1
FACTS = "driftline"
"""The metadata's key for what the graph does not know about itself."""

NUMERIC, CATEGORICAL = "numeric", "categorical"
OUTPUTS: tuple[Output, ...] = ("probability", "code", "value")

IR_VERSION = 10
MAIN, TREES = "", "ai.onnx.ml"
OPSET = 21
# The tree operator that knows doubles came with 5, which no longer has the one of skl2onnx.
TREE_OPSETS = (4, 5)

# Of ONNX's types those that occur, by their number in the format.
FLOAT, UINT8, INT32, INT64, STRING, BOOL, DOUBLE = 1, 2, 6, 7, 8, 9, 11

# Plain arithmetic on tensors. Nothing here holds a graph of its own; operators that would read as
# many numbers as the file says (of linear models and of support vector machines) are left out.
OPERATORS: dict[str, frozenset[str]] = {
    MAIN: frozenset(
        {
            "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "Clip", "Concat", "ConstantOfShape",
            "Div", "Equal", "Erf", "Exp", "Expand", "Flatten", "Gather", "Gemm", "Greater",
            "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "MatMul",
            "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "ReduceLogSumExp",
            "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu",
            "Reshape", "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Sqrt",
            "Squeeze", "StringConcat", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where",
        }
    ),
    TREES: frozenset(
        {
            "ArrayFeatureExtractor", "LabelEncoder", "Normalizer", "TreeEnsemble",
            "TreeEnsembleClassifier", "TreeEnsembleRegressor",
        }
    ),
}  # fmt: skip


class Facts(Document):
    """What the graph does not know about itself."""

    format: int
    task: Task
    classes: list[Label]
    columns: Columns


class Foreign(Exception):  # noqa: N818 - not an error by itself: the caller decides what it means
    """A file is not of this form; the message says how."""
