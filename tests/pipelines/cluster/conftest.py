"""A fake of Kubeflow Pipelines, and time that passes without waiting."""

import pytest

from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.patience import Patience
from pipelines.compile import compiled
from tests.kfp_fake.server import FakeKfp


@pytest.fixture
def kfp():
    served = FakeKfp()
    yield served
    served.close()


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    """No cluster and no setting of whoever runs the tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "DRIFTLINE_KFP_HOST", "DRIFTLINE_KFP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.fixture
def client(kfp):
    return connect(KfpAddress(host=kfp.url))


@pytest.fixture
def patience():
    passed = [0.0]
    return Patience(
        pause=lambda seconds: passed.append(passed.pop() + seconds), clock=lambda: passed[-1]
    )


@pytest.fixture(scope="session")
def training():
    return compiled("training", "driftline:1")


@pytest.fixture(scope="session")
def monitoring():
    return compiled("monitoring", "driftline:1")
