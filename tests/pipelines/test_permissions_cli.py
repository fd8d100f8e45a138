import json

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from tests.manifests.goldens import golden

ARGUMENTS = ["--model", "flights", "--api-server", "192.168.49.2"]


def run(*arguments):
    return CliRunner().invoke(app, ["permissions", *arguments])


def test_they_are_written_as_yaml_or_json():
    written = run(*ARGUMENTS)
    assert written.exit_code == 0
    assert list(yaml.safe_load_all(written.stdout)) == golden("permissions")
    assert "&" not in written.stdout
    written = run(*ARGUMENTS, "--json", "--model", "flights")
    assert json.loads(written.stdout)["items"] == golden("permissions")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a model with --model"),
        (["--model", "Flights"], "the model 'Flights' cannot be called so"),
        (["--model", "flights-canary"], "must not end in"),
        (["--model", "flights", "--namespace", "a_b"], "the namespace 'a_b'"),
        (["--model", "flights", "--account", "deployer"], "write NAMESPACE:NAME"),
        (["--api-server", "localhost"], "the API server's address 'localhost' is none"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments, said):
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
