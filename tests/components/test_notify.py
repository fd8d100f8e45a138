"""What the step `notify` sends, and how often."""

from components.spec.context import open_context
from components.spec.load import dump_spec
from components.spec.model import Alerts
from components.steps.notify import notify_step
from tests.worlds import make_world


def test_a_step_that_is_started_again_tells_nobody_twice(tmp_path, inbox):
    address, received = inbox
    world = make_world(tmp_path)
    spec = world.spec.model_copy(update={"alerts": Alerts(to=[address], on=["failed"])})
    told = (dump_spec(spec), world.store, "april", "job", "2024-04-01", "2024-05-01")

    notify_step(open_context(*told), "FAILED", "out of memory")
    line = notify_step(open_context(*told), "FAILED", "out of memory")
    assert len(received) == 1
    assert "out of memory" in line

    notify_step(open_context(*told), "FAILED", "out of disk")
    assert len(received) == 2
