from copy import copy
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import ReleaseError
from components.data.frame import read_rows
from components.model.records import Evaluation
from components.release.package import load_release, seal
from components.release.promote import package_release
from components.serving.proof import ServingProof, prove_candidate
from components.serving.running import RunningServer


def prove(folder, spec=None, data=None, **options):
    spec = spec or load_release(folder).spec
    return prove_candidate(spec, data or folder.with_name("window.parquet"), folder, **options)


def candidate(make_release, place, kind="binary", **options):
    return make_release(place / "candidate", kind, version="candidate-0123", **options)


def test_a_good_candidate_passes_in_the_real_server(make_release, tmp_path):
    folder = candidate(make_release, tmp_path)

    proof = prove(folder)

    assert proof.passed, proof.differences
    assert (proof.differences, proof.differences_in_all, proof.tolerance) == ([], 0, 1e-5)
    assert 60 <= proof.rows <= 62
    assert proof.rows_with_missing > 0
    assert proof.release == "candidate-0123"
    files = load_release(folder).manifest.files
    assert proof.model_sha256 == files["model.skops"]
    assert (proof.runtime, proof.runtime_sha256) == ("onnx", files["model.onnx"])
    assert 0 < proof.seconds_to_ready < proof.seconds
    assert ServingProof.model_validate_json(proof.model_dump_json()) == proof


@pytest.mark.parametrize("kind", ["words", "truth", "multiclass", "regression"])
def test_a_good_candidate_of_any_kind_passes(kind, make_release, server_here, tmp_path):
    proof = prove(candidate(make_release, tmp_path, kind), start=server_here)

    assert proof.passed, proof.differences


@pytest.mark.parametrize("kind", ["binary", "words", "multiclass", "regression"])
def test_a_server_with_another_model_is_found_out_by_its_answers(
    kind, make_release, server_here, tmp_path
):
    """The other release has the same version, and its server claims the same digest."""
    folder = candidate(make_release, tmp_path / "one", kind)
    other = candidate(make_release, tmp_path / "two", kind, seed=5)
    sha256 = load_release(folder).manifest.files["model.skops"]

    class Liar(server_here):
        def __enter__(self):
            super().__enter__()
            state = self._client.app.state
            runtime = copy(state.served.runtime)
            runtime.sha256 = load_release(folder).runtime_sha256
            state.served = replace(state.served, model_sha256=sha256, runtime=runtime)
            return self

    proof = prove(folder, start=lambda _: Liar(other))

    assert not proof.passed
    assert proof.differences_in_all > 60
    assert len(proof.differences) == 20
    assert proof.differences[0].startswith("/predict: p0-0: ")
    assert "the model" in proof.differences[0]


def judged(sha256):
    return Evaluation(
        verdict="accept", reasons=["it is better"], against="baseline", champion=None,
        challenger=sha256, window="2024-03", rows=1, metric="accuracy", confidence=0.95,
    )  # fmt: skip


def test_a_proof_speaks_for_the_file_that_answered(make_release, server_here, tmp_path):
    folder = candidate(make_release, tmp_path)
    proof = prove(folder, start=server_here)
    sha256 = proof.model_sha256
    gate = judged(sha256)

    def package(place, **changes):
        changed = proof.model_copy(update=changes)
        return package_release(folder, gate, changed, tmp_path / place, run="r", reason="")

    for runtime_sha256 in (sha256, "0" * 64, ""):  # the file that skops answers from is not it
        with pytest.raises(ReleaseError, match=f"proof judged model {runtime_sha256[:8]}"):
            package("refused", runtime_sha256=runtime_sha256)
    assert package("fine").files["model.onnx"] == proof.runtime_sha256
    card = (tmp_path / "fine" / "card.md").read_text()
    assert "## Serving" in card
    assert "Served from ONNX: of " in card


def test_a_server_with_another_release_is_found_out_by_what_it_says(
    make_release, server_here, tmp_path
):
    folder = candidate(make_release, tmp_path / "one")
    other = make_release(tmp_path / "two" / "release", version="v2")

    proof = prove(folder, start=lambda _: server_here(other))

    assert not proof.passed
    assert "not candidate-0123" in proof.differences[0]


def test_a_swapped_model_does_not_pass(make_release, server_here, tmp_path):
    folder = candidate(make_release, tmp_path / "one")
    other = candidate(make_release, tmp_path / "two", seed=5)
    (folder / "model.skops").write_bytes((other / "model.skops").read_bytes())

    proof = prove_candidate(load_release(other).spec, other.with_name("window.parquet"), folder)
    assert not proof.passed
    assert "model.skops was changed after packaging" in proof.differences[0]

    (folder / "manifest.json").unlink()
    seal(folder, "pumps", "candidate-0123", {})  # whoever swapped it made the manifest fit
    proof = prove(folder, start=server_here)
    assert not proof.passed
    assert "was trained" in proof.differences[0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a label", lambda answer: {**answer, "prediction": 1 - answer["prediction"]}),
        ("its type", lambda answer: {**answer, "prediction": float(answer["prediction"])}),
        ("an id", lambda answer: {**answer, "id": "somebody else"}),
        (
            "a probability beyond the tolerance",
            lambda answer: {
                **answer,
                "probability": {k: v + 2e-5 for k, v in answer["probability"].items()},
            },
        ),
        ("no probability", lambda answer: {k: v for k, v in answer.items() if k != "probability"}),
    ],
)
def test_one_wrong_answer_among_many_is_enough(name, change, make_release, server_here, tmp_path):
    folder = candidate(make_release, tmp_path)

    class Liar(server_here):
        def __enter__(self):
            super().__enter__()
            honest, asked = self._client.predict, []

            def predict(rows):
                answer = honest(rows)
                asked.append(rows)
                if len(asked) == 2:
                    answer["predictions"][3] = change(answer["predictions"][3])
                return answer

            self._client.predict = predict
            return self

    proof = prove(folder, start=Liar)

    assert not proof.passed, name
    assert proof.differences_in_all == 1


def test_numbers_within_the_tolerance_pass(make_release, server_here, tmp_path):
    folder = candidate(make_release, tmp_path)

    class Rounding(server_here):
        def __enter__(self):
            super().__enter__()
            honest = self._client.predict

            def predict(rows):
                answer = honest(rows)
                for one in answer["predictions"]:
                    one["probability"] = {k: v + 5e-10 for k, v in one["probability"].items()}
                return answer

            self._client.predict = predict
            return self

    assert prove(folder, start=Rounding).passed


def test_a_server_that_does_not_start_or_dies_stands_against_the_candidate(make_release, tmp_path):
    folder = candidate(make_release, tmp_path)

    proof = prove(folder, start=lambda place: RunningServer(place))  # candidates not allowed
    assert not proof.passed
    assert "has passed no gate" in proof.differences[0]

    class Dying(RunningServer):
        def client(self, timeout=60.0):
            if self.seconds_to_ready:
                self._process.kill()
            return super().client(timeout)

    proof = prove(folder, start=lambda place: Dying(place, allow_candidate=True))
    assert not proof.passed
    assert proof.rows >= 60  # what is known is told all the same


def test_a_wrong_spec_or_window_stands_against_the_candidate(
    make_release, make_spec, server_here, tmp_path
):
    folder = candidate(make_release, tmp_path)
    spec = load_release(folder).spec

    other = spec.model_copy(update={"label": make_spec().label.model_copy(update={"delay": "9d"})})
    assert prove(folder, other, start=server_here).differences == [
        "the spec in candidate-0123 is not the spec of this run"
    ]
    missing = prove(folder, data=tmp_path / "missing.parquet")
    assert "cannot be read as Parquet" in missing.differences[0]
    empty = read_rows(folder.with_name("window.parquet")).slice(0, 0)
    pq.write_table(empty, tmp_path / "empty.parquet")
    nothing = prove(folder, data=tmp_path / "empty.parquet")
    assert not nothing.passed
    assert "has no rows to ask for" in nothing.differences[0]
    assert prove(tmp_path / "nothing", spec).differences[0].endswith("'driftline run training'")


def test_the_rows_are_spread_and_one_of_each_missing_value_is_among_them(make_release, tmp_path):
    from components.serving.proof import _choose

    folder = candidate(make_release, tmp_path)
    columns = load_release(folder).spec.columns
    table = read_rows(folder.with_name("window.parquet"))
    shift = table.column("shift").to_pylist()
    shift[333] = None  # the only one
    table = table.set_column(table.column_names.index("shift"), "shift", pa.array(shift))

    chosen = _choose(table.take(np.random.default_rng(0).permutation(600)), columns, 10)

    times = chosen.column("seen").to_pylist()
    assert times == sorted(times)
    assert (times[0], times[-1]) == (table["seen"][0].as_py(), table["seen"][-1].as_py())
    assert 10 <= chosen.num_rows <= 13
    for name in ("load", "site", "shift"):
        assert chosen.column(name).null_count > 0


def test_a_candidate_from_before_models_travelled_in_two_forms(make_release, server_here, tmp_path):
    """Its model answers from skops, and nothing is recorded to be asked for."""
    folder = candidate(make_release, tmp_path)
    for name in ("model.onnx", "runtime.json", "recorded.json", "manifest.json"):
        (folder / name).unlink()
    seal(folder, "pumps", "candidate-0123", {})

    proof = prove(folder, start=server_here)

    assert proof.passed, proof.differences
    assert (proof.runtime, proof.tolerance) == ("skops", 1e-9)
    assert proof.runtime_sha256 == proof.model_sha256
    release = load_release(folder)
    assert (release.runtime_record, release.recorded) == (None, None)
    gate = judged(proof.model_sha256)
    older = proof.model_copy(update={"runtime": "", "runtime_sha256": ""})
    packed = package_release(folder, gate, older, tmp_path / "fine", run="r", reason="")
    assert "model.onnx" not in packed.files
    assert "## Serving" not in (tmp_path / "fine" / "card.md").read_text()
