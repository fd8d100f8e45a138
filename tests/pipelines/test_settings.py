import pytest

from components.core.errors import UsageError
from components.spec.load import load_spec
from pipelines.settings import Settings


def test_without_variables_the_defaults_hold():
    settings = Settings.read({"PATH": "/bin", "DRIFTLINE_VENV": "x"})

    assert settings.store == ".driftline"
    assert load_spec(settings.spec).model == "flights"


def test_a_variable_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="DRIFTLINE_STOER is not a setting; did you mean DRIFTL"):
        Settings.read({"DRIFTLINE_STOER": "x"})
    with pytest.raises(UsageError, match="there are DRIFTLINE_STORE"):
        Settings.read({"DRIFTLINE_QQQQ": "x"})


def test_what_a_pod_is_told_of_its_neighbours_is_no_setting():
    told = {
        "DRIFTLINE_TRIGGER_SERVICE_HOST": "10.96.0.7",
        "DRIFTLINE_TRIGGER_SERVICE_PORT": "8080",
        "DRIFTLINE_TRIGGER_SERVICE_PORT_HTTP": "8080",
        "DRIFTLINE_TRIGGER_PORT": "tcp://10.96.0.7:8080",
        "DRIFTLINE_TRIGGER_PORT_8080_TCP_ADDR": "10.96.0.7",
    }
    assert Settings.read(told) == Settings.read({})
