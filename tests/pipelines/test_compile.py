import pytest

from components.core.errors import UsageError
from components.image import IMAGE
from pipelines.compile import PIPELINES, compile_pipelines, documents

STEPS = {
    "training": {
        "ingest",
        "check-schema",
        "train",
        "evaluate",
        "validate-serving",
        "deploy",
        "notify",
    }
}
STEPS["profiling"] = {
    "ingest",
    "plan-parts",
    "profile-part",
    "find-repeats",
    "merge-profiles",
    "check-profile-schema",
    "check-profile-drift",
    "notify",
}
STEPS["monitoring"] = STEPS["training"] | {
    "check-drift",
    "check-skew",
    "check-performance",
    "decide",
}


def tasks(document):
    """Every task of a compiled pipeline, at any depth, by the name of its component."""
    graphs = [document["root"], *document["components"].values()]
    return [
        (name, task)
        for graph in graphs
        for name, task in graph.get("dag", {}).get("tasks", {}).items()
    ]


def executors(document):
    return document["deploymentSpec"]["executors"]


def pipeline_of(file):
    """The pipeline, without what its platform is told."""
    return documents(file.read_text())[0]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled")
    files = compile_pipelines(PIPELINES, folder)
    return {file.stem: pipeline_of(file) for file in files}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_of_the_design_is_there(compiled, name):
    found = {
        task["componentRef"]["name"].removeprefix("comp-").rstrip("-0123456789")
        for _, task in tasks(compiled[name])
    }

    assert STEPS[name] <= found


@pytest.mark.parametrize("name", PIPELINES)
def test_all_of_a_runs_inputs_are_its_parameters(compiled, name):
    parameters = compiled[name]["root"]["inputDefinitions"]["parameters"]

    own = {"shards", "parallelism"} if name == "profiling" else set()
    assert set(parameters) == {"spec", "store", "start", "end", "as_of", "run"} | own


@pytest.mark.parametrize("name", PIPELINES)
def test_no_step_is_cached_because_files_change_behind_their_addresses(compiled, name):
    leaves = {f"comp-{each.removeprefix('exec-')}" for each in executors(compiled[name])}
    cached = [
        name
        for name, task in tasks(compiled[name])
        if task["componentRef"]["name"] in leaves
        and task.get("cachingOptions", {}).get("enableCache")
    ]

    assert cached == []


@pytest.mark.parametrize("name", PIPELINES)
def test_steps_use_the_image_as_it_is_and_install_nothing(compiled, name):
    for executor in executors(compiled[name]).values():
        assert executor["container"]["image"] == IMAGE
        assert "pip install" not in " ".join(executor["container"]["command"])


@pytest.mark.parametrize("name", PIPELINES)
def test_what_kubeflow_tells_stands_alone_because_it_is_filled_in_nowhere_else(compiled, name):
    constants = [
        value["runtimeValue"]["constant"]
        for _, task in tasks(compiled[name])
        for value in task.get("inputs", {}).get("parameters", {}).values()
        if "runtimeValue" in value
    ]
    placeholders = [each for each in constants if "{{$" in str(each)]

    assert set(placeholders) == {
        "{{$.pipeline_job_uuid}}",
        "{{$.pipeline_job_schedule_time_utc}}",
    }


def test_nothing_is_deployed_without_both_proofs(compiled):
    deploys = [task for name, task in tasks(compiled["training"]) if name == "deploy"]
    gates = [task for name, task in tasks(compiled["training"]) if "triggerPolicy" in task]

    assert {"data", "evaluation", "proof", "candidate"} == set(deploys[0]["inputs"]["artifacts"])
    assert "validate-serving" in deploys[0]["dependentTasks"]
    assert any("'accept'" in gate["triggerPolicy"].get("condition", "") for gate in gates)


@pytest.mark.parametrize("name", PIPELINES)
def test_people_are_told_also_when_a_run_fails(compiled, name):
    notify = compiled[name]["root"]["dag"]["tasks"]["notify"]

    assert notify["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert "taskFinalStatus" in str(notify["inputs"]["parameters"]["status"])


def test_another_image_reaches_every_step(tmp_path):
    (file,) = compile_pipelines(["monitoring"], tmp_path / "new", "registry.local/mine:1")

    images = {each["container"]["image"] for each in executors(pipeline_of(file)).values()}
    assert images == {"registry.local/mine:1"}


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    first, second = (compile_pipelines(["training"], tmp_path / each)[0] for each in "ab")

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("image", ["driftline", "driftline:latest", "my.registry:5000/driftline"])
def test_an_image_that_may_change_is_refused(tmp_path, image):
    with pytest.raises(UsageError, match="no fixed tag"):
        compile_pipelines(["training"], tmp_path, image)
    with pytest.raises(UsageError, match="is no image"):
        compile_pipelines(["training"], tmp_path, f"{image} --privileged")


def test_an_unknown_pipeline_or_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="choose training, monitoring or profiling"):
        compile_pipelines(["deploy"], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another --output"):
        compile_pipelines(["training"], tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
