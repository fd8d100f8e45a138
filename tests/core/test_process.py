import subprocess
import sys

from components.core.process import ProcessId


def test_a_process_that_ended_is_gone_even_before_its_parent_looked():
    code = "from components.core.process import ProcessId as P; print(P.own().model_dump_json())"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        found = ProcessId.model_validate_json(child.stdout.readline())
        assert found.pid == child.pid
        assert found.is_here
        assert not found.is_gone
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.read()  # until its end; it is a zombie until it is waited for
        while not found.is_gone:
            pass
    assert found.is_gone


def test_another_machines_process_is_never_certain_to_be_gone():
    elsewhere = ProcessId(machine="another one", pid=1, started="0")

    assert not elsewhere.is_here
    assert not elsewhere.is_gone


def test_a_process_id_that_is_used_again_is_another_process():
    assert ProcessId.own().model_copy(update={"started": "1"}).is_gone


def test_it_is_named_for_people():
    own = ProcessId.own()
    assert str(own).startswith(f"process {own.pid} on ")
    assert " " not in str(own).rpartition(" on ")[2]
