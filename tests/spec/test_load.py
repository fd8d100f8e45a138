import json
from pathlib import Path

import pytest
import yaml

from components.core.errors import SpecError
from components.spec.load import dump_spec, load_spec, parse_spec

SPECS = sorted((Path(__file__).parents[2] / "pipelines" / "specs").glob("*.yaml"))
GOOD = """\
model: houses
task: regression
source:
  kind: files
  path: data/*.parquet
columns:
  id: id
  time: sold
  target: price
  numeric: [area]
estimator:
  class: sklearn.linear_model.Ridge
metric: mae
"""


def refusal(text):
    with pytest.raises(SpecError) as caught:
        parse_spec(text, name="houses.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs_that_come_with_driftline_are_valid(path):
    spec = load_spec(path)

    assert parse_spec(dump_spec(spec)) == spec


def test_equal_specs_travel_as_equal_text():
    reordered = yaml.safe_dump(yaml.safe_load(GOOD), sort_keys=True)

    assert dump_spec(parse_spec(GOOD)) == dump_spec(parse_spec(reordered))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "metric: mae",
            "metrik: mae",
            "houses.yaml:13: unknown key 'metrik'; did you mean 'metric'?",
        ),
        ("  path:", "  pth:", "houses.yaml:5: unknown key 'source.pth'; did you mean 'path'?"),
        ("  class:", "  klass:", "houses.yaml:12: unknown key 'estimator.klass'; did you mean 'cl"),
        ("metric: mae", "metric: auc", "houses.yaml:13: metric: 'auc' is not one of roc_auc"),
        ("metric: mae", "metric: roc_auc", "does not fit task 'regression'; choose one of mae"),
        ("task: regression", "task: ranking", "houses.yaml:2: task:"),
        ("kind: files", "kind: excel", "houses.yaml:3: source:"),
        ("id: id", "id: area", "column 'area' has two roles"),
        ("numeric: [area]", "numeric: []", "there are no features"),
        ("sklearn.linear_model.Ridge", "os.system", "outside of the allowed prefixes"),
        ("model: houses", "model: ../houses", "houses.yaml:1: model:"),
        ("metric: mae", "metric: mae\nslices: [area]", "'area' is not one of the categorical"),
        ("metric: mae", "metric: mae\nlabel: {delay: soon}", "'soon' is not a duration"),
        ("metric: mae", "metric: mae\npolicy:\n  retrain_on: [drift, perf]", "houses.yaml:15"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_remedy(old, new, expected):
    assert expected in refusal(GOOD.replace(old, new))


def test_every_mistake_is_listed():
    lines = refusal(GOOD.replace("task: regression\n", "tsak: regression\n")).splitlines()

    assert sorted(lines) == [
        "houses.yaml:1: 'task' is missing",
        "houses.yaml:2: unknown key 'tsak'; did you mean 'task'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [", "is not YAML"), ("", "a mapping"), ("- a", "a mapping"), ("a: b: c", "is not YAML")],
)
def test_what_is_no_mapping_is_refused(text, expected):
    assert expected in refusal(text)


@pytest.mark.parametrize("value", [1e-7, 1e16, 0.1, 3, True, None, "1e-7", "yes", "python3"])
def test_an_estimators_parameters_travel_as_they_are(value):
    document = {**yaml.safe_load(GOOD)}
    document["estimator"] = {**document["estimator"], "parameters": {"tol": value}}
    spec = parse_spec(json.dumps(document))
    travelled = parse_spec(dump_spec(spec)).estimator.parameters["tol"]

    assert travelled == value
    assert type(travelled) is type(value)
    assert "python3" not in dump_spec(spec)


@pytest.mark.parametrize("value", [".inf", ".nan", "2013-01-01"])
def test_parameters_that_cannot_travel_are_refused(value):
    text = GOOD.replace("Ridge", f"Ridge\n  parameters:\n    tol: {value}")

    assert "write plain finite numbers" in refusal(text)


def test_a_missing_file_names_the_flag(tmp_path):
    with pytest.raises(SpecError, match=r"no spec at .*none.yaml; pass one with --spec"):
        load_spec(tmp_path / "none.yaml")


def test_a_spec_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "spec.yaml").write_bytes("model: größe".encode("latin-1"))

    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("checks:", "checks: None is not a mapping of keys to values"),
        ("checks: [drift]", "checks: ['drift'] is not a mapping"),
        ("checks: {drift: joint}", "checks.drift: 'joint' is not a mapping"),
        ("checks: {drift: {joint: maybe}}", "checks.drift.joint: 'maybe' is not true or false"),
        ("checks: {schema: {outside: 5 %}}", "checks.schema.outside: '5 %' is not a number"),
        ("slices: origin", "slices: 'origin' is not a list"),
        ("gate: {min_rows: 1.5}", "gate.min_rows: 1.5 is not a whole number"),
    ],
)
def test_what_is_of_the_wrong_kind_is_said_in_a_users_words(given, expected):
    assert expected in refusal(f"{GOOD.rstrip()}\n{given}\n")


def test_a_key_that_is_there_twice_is_refused():
    text = f"{GOOD.rstrip()}\nmodel: again\n"
    count = len(text.splitlines())
    assert f":{count}: key 'model' is there already, in line" in refusal(text)
    nested = f"{GOOD.rstrip()}\ngate:\n  margin: 0\n  margin: 1\n"
    assert "key 'margin' is there already" in refusal(nested)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "serving: {target: docker}",
            "serving.target: 'docker' is not one of auto, local, kubernetes",
        ),
        ("serving: {guard: {period: soon}}", "'soon' is not a duration"),
        ("serving: {guard: {latency: 0.5}}", "serving.guard.latency"),
        ("serving: {exactness: 0}", "serving.exactness"),
        ("serving: {kubernetes: {namespace: My_Space}}", "serving.kubernetes.namespace"),
        ("serving: {kubernetes: {canary: 1}}", "serving.kubernetes.canary"),
        ("serving: {kubernetes: {replicas: 3, max_replicas: 2}}", "fewer than the 3 replicas"),
    ],
)
def test_what_serving_cannot_be_is_refused(given, expected):
    assert expected in refusal(f"{GOOD.rstrip()}\n{given}\n")
