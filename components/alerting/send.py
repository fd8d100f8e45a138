"""Send a message to the addresses of a spec, through apprise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from components.alerting.message import Message

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def unknown(addresses: Sequence[str]) -> list[str]:
    """Those addresses that apprise cannot have meant; with variables in them any may be right.

    >>> unknown(["json://127.0.0.1:8080", "${CHAT}", "nonsense"])
    ['nonsense']
    """
    from apprise import Apprise

    fixed = [address for address in addresses if not _VARIABLE.search(address)]
    return [address for address in fixed if not Apprise().add(address)]


def send(message: Message, addresses: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Send one message to every address.

    An address that fails never stops the others: a run must not fail because a chat is down.

    Args:
        message: what to say.
        addresses: apprise addresses; `${NAME}` is taken from the environment.
        environment: where `${NAME}` is looked up.

    Returns:
        One sentence for each address that did not take the message. Addresses hold secrets, so
        the sentence quotes an address as the spec writes it, never with its variables filled in.
    """
    if not addresses:
        return []
    from apprise import Apprise, NotifyType

    level = NotifyType.FAILURE if message.kind == "failed" else NotifyType.INFO
    problems = []
    for address in addresses:
        missing = [name for name in _VARIABLE.findall(address) if name not in environment]
        if missing:
            problems.append(f"{address} was not told: the variable {missing[0]} is not set")
            continue
        filled = _VARIABLE.sub(lambda match: environment[match[1]], address)
        client = Apprise()
        if not client.add(filled):
            problems.append(f"{address} was not told: apprise does not know this kind of address")
        elif not client.notify(
            title=f"driftline: {message.kind}", body=message.line, notify_type=level
        ):
            problems.append(f"{address} was not told: the service did not take the message")
    return problems
