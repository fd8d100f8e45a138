from components.alerting.message import Message
from components.alerting.send import send

NEWS = Message(kind="failed", model="flights", window="2013-04", run="r", text="train failed")


def test_every_address_is_told(inbox):
    address, received = inbox

    assert send(NEWS, [f"{address}/a", f"{address}/b"], {}) == []
    assert [path for path, _ in received] == ["/a", "/b"]
    assert received[0][1]["message"] == "[flights] 2013-04: train failed (run r)"
    assert received[0][1]["title"] == "driftline: failed"


def test_an_address_that_fails_does_not_stop_the_others_and_hides_its_secret(inbox):
    address, received = inbox
    addresses = ["${TOKEN}", "${UNSET}", "nonsense", f"{address}/a"]

    problems = send(NEWS, addresses, {"TOKEN": f"{address}/broken"})

    assert [path for path, _ in received][-1] == "/a"
    assert len(problems) == 3
    assert problems[0].startswith("${TOKEN} was not told")
    assert address not in problems[0]
    assert "UNSET is not set" in problems[1]
    assert "does not know" in problems[2]


def test_nobody_to_tell_is_no_problem():
    assert send(NEWS, [], {}) == []
