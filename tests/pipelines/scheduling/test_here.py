import pytest

from components.core.claim import claimed
from components.core.errors import ConflictError
from components.core.storage import Store
from components.core.window import Window
from pipelines.runs import RunRequest
from pipelines.scheduling import alone
from pipelines.scheduling.carrying_out import Here, StoppedError
from tests.pipelines.scheduling.conftest import spec_with


@pytest.fixture
def request_here(tmp_path):
    return RunRequest(
        pipeline="monitoring",
        spec=spec_with(),
        store=str(tmp_path / "store"),
        window=Window.parse("2013-04"),
        name="alert-1",
        as_of="2013-05-02",
    )


def test_a_request_arrives_in_the_runs_own_process_as_it_was(request_here):
    assert alone.read(alone.write(request_here)) == request_here


def test_a_run_that_another_process_does_is_not_done_twice(request_here):
    claim = claimed(Store(request_here.store), "orders/claims/alert-1.json", "the run alert-1")

    with claim, pytest.raises(ConflictError, match="the run alert-1 is being worked on by process"):
        Here()(request_here)


def test_what_was_stopped_is_not_said_to_have_failed(request_here):
    here = Here()
    here.stop()

    with pytest.raises(StoppedError, match="the next start carries on"):
        here(request_here)
