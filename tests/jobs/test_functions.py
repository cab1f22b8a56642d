"""A function as a job: sent from a kernel, run by a real Python in a container, its result back, its traceback too."""

import functools
import pickle
import sys
import threading
from pathlib import Path

import pytest

import hubernate
from hubernate.function import check_call, name_of, pack_call
from hubernate_core.errors import InvalidInput
from support.jobs import Site
from support.kernel import as_in_a_cell, submit

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def test_what_it_returns_comes_back_and_modules_beside_the_notebook_are_found(kernel: Path) -> None:
    (kernel / "beside.py").write_text("class Pair:\n    def __init__(self, *both): self.both = both\n")
    f = as_in_a_cell("import beside\ndef f(a, *, scale): print('in the job'); return beside.Pair(a * scale, offset)")
    f.__globals__["offset"] = 7
    job = submit(f, 4, scale=10, name="try")
    found = job.result(120)
    assert type(found).__name__ == "Pair"
    assert found.both == (40, 7)
    assert b"".join(job.read_log()) == b"in the job\n"
    assert (job.info.label, job.info.request["work"]["function"]) == ("try", "f")
    assert job.rerun().result(120).both == (40, 7)


def test_what_it_raises_fails_the_job_and_is_told_with_its_traceback(kernel: Path) -> None:
    bad = submit(as_in_a_cell("def f():\n    x = {}\n    return x['lost']"))
    unpicklable = submit(as_in_a_cell("import threading\ndef f():\n    return threading.Lock()"))
    ended = submit(as_in_a_cell("import os\ndef f():\n    os._exit(9)"))
    (kernel / "run.sh").write_text("true")
    script = submit("run.sh")
    with pytest.raises(hubernate.JobFailed, match="KeyError: 'lost'") as told:
        bad.result(120)
    assert "in f" in str(told.value)
    assert "run_function" not in str(told.value), "only the person's own part of the traceback"
    assert (bad.info.state, bad.info.exit_code) == ("failed", 1)
    assert b"KeyError: 'lost'" in b"".join(bad.read_log())
    with pytest.raises(hubernate.JobFailed, match=r"what it returned \(lock\) could not be kept"):
        unpicklable.result(120)
    with pytest.raises(hubernate.JobFailed, match=rf"f \({ended.id}\) failed; it ended with exit code 9"):
        ended.result(120)
    with pytest.raises(InvalidInput, match="only a function has a result"):
        script.result(120)


def test_what_is_there_before_or_where_it_goes_changes_nothing(python_place: Site, kernel: Path) -> None:
    (kernel / "function.result").write_bytes(b'{"error": "", "python": "3.11"}\n' + pickle.dumps("not of this job"))
    huge = submit(as_in_a_cell("import os\ndef f():\n    os.chdir('/tmp')\n    return 10**400"))
    bad = submit(as_in_a_cell("import os\ndef f():\n    os.chdir('/tmp')\n    raise ValueError('from there')"))
    ended = submit(as_in_a_cell("import os\ndef f(): os._exit(9)"), files=["function.result"])
    assert huge.result(120) == 10**400, "it is too large for a metric, and returned all the same"
    assert b"could not be kept as metrics" in b"".join(huge.read_log())
    with pytest.raises(hubernate.JobFailed, match="ValueError: from there"):
        bad.result(120)
    with pytest.raises(hubernate.JobFailed, match="it ended with exit code 9"):
        ended.result(120)
    # Who governs the team sees the job, but to unpickle what a member wrote would run it as theirs.
    path = f"/tenants/physics/jobs/{huge.id}/output?path=function.result"
    refused = python_place.service.person("root", admin=True)("GET", path)
    assert (refused.status_code, "only who submitted" in refused.text) == (403, True)
    assert python_place.member("ada").ask("GET", path).status_code == 200


def test_a_result_that_is_too_large_says_so_and_waiting_has_an_end(python_place: Site, kernel: Path) -> None:
    python_place.service.inside.jobs.settings.outputs_max_bytes = 1000  # type: ignore[union-attr]
    large = submit(as_in_a_cell("def f(): return b'x' * 2000"))
    slow = submit(as_in_a_cell("import time\ndef f(): time.sleep(100)"))
    with pytest.raises(TimeoutError, match=f"job {slow.id} is"):
        slow.result(0.2)
    slow.cancel()
    with pytest.raises(hubernate.JobFailed, match="cancelled by ada"):
        slow.result(120)
    with pytest.raises(hubernate.JobFailed, match=r"function\.result and its .* are larger than what is kept"):
        large.result(120)


def test_what_cannot_be_sent_is_said_before_anything_is(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f = as_in_a_cell("def f(x, name='n'): return x")
    with pytest.raises(InvalidInput, match=r"missing a required argument: 'x'.*functools\.partial"):
        submit(f, name="of the job")
    with pytest.raises(InvalidInput, match=r"cannot be sent: cannot pickle '_thread\.lock' object"):
        submit(f, threading.Lock())
    with pytest.raises(InvalidInput, match="missing a required argument"):
        submit(f, preemptible=False)
    with pytest.raises(InvalidInput, match="as they are"):
        submit(f, args=[1])
    monkeypatch.setattr("hubernate.function.BYTES_MAX", 100)
    with pytest.raises(InvalidInput, match="over 100 B; nothing was submitted"):
        submit(f, b"x" * 100)
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(InvalidInput, match="pip install cloudpickle"):
        submit(f, 1)
    assert hubernate.jobs() == []


def test_an_option_of_the_job_reaches_the_function_by_partial() -> None:
    f = functools.partial(as_in_a_cell("def f(x, name): return x"), name="theirs")
    assert name_of(f) == "f"
    check_call(f, (1,), {})
    assert pack_call(f, (1,), {}).startswith(b'{"python": "3.')


def test_one_function_runs_after_another(kernel: Path) -> None:
    first = submit(as_in_a_cell("def f(): return 1"))
    second = submit(as_in_a_cell("def f(): return 2"), after=first, preemptible=False)
    assert second.result(120) == 2
    assert second.info.request["after"] == [first.id]
    assert first.wait(1).info.finished_at <= second.info.started_at
