"""What becomes of a run when its warm process is of no use any more.

Blocks in a block share a process, so these tests may have none around them.
"""

import os
import signal
import threading

from pipelines.warm_steps import load, warm_steps
from tests.pipelines.test_warm_steps import FEW, looking, run, seen_by, waiting


def test_where_a_library_has_started_threads_kfp_starts_the_steps(tmp_path, monkeypatch):
    os.mkfifo(pipe := tmp_path / "pipe")
    (tmp_path / "threaded.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        f"open({str(pipe)!r}, 'w').close()\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    with warm_steps(FEW):
        load("threaded")
        pipe.open().close()  # it is being imported
        log, done = run(looking, tmp_path, path=str(tmp_path / "seen"))

    assert done
    assert "not forked: threads run already" in log


def test_a_warm_process_that_is_killed_takes_its_steps_along_and_fails_the_run(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    ended = []
    with warm_steps(FEW):
        go = threading.Thread(target=lambda: ended.append(run(waiting, tmp_path, pipe=str(pipe))))
        go.start()
        with pipe.open() as said:
            _, warm = map(int, said.readline().split())
            os.kill(warm, signal.SIGKILL)
            assert said.read() == "", "the step was killed with it"
        go.join()
        log, done = ended[0]
        assert not done
        assert "the warm process ended, and the step with it" in log
        assert seen_by(looking, tmp_path)["parent"] != warm, "what follows is started by KFP"
