"""Providers on this machine, for the tests of hosts."""

from __future__ import annotations

import calsync
import pytest
from calsync import Calendar, blocking
from calsync.testing import CalDavEmulator, Emulator, GoogleEmulator, MicrosoftEmulator

from scenes import meeting, titles


def joined(engine: blocking.Engine, emulator: Emulator) -> None:
    engine.put_calendar(Calendar("family", "Family"))
    engine.connect("account", **emulator.account)
    (remote,) = engine.remote_calendars("account")
    engine.add_link("home", calendar="family", connection="account", remote=remote.id)


@pytest.mark.parametrize("kind", [CalDavEmulator, GoogleEmulator, MicrosoftEmulator])
def test_two_hosts_meet_at_an_emulator(kind: type[Emulator]) -> None:
    with kind() as emulator, blocking.Engine() as one, blocking.Engine() as two:
        joined(one, emulator)
        joined(two, emulator)
        one.add_event("family", meeting("a@example.com", "Breakfast"))
        assert one.sync("home").counts.pushed == 1
        assert two.sync("home").counts.created == 1
        assert set(titles(two).values()) == {"Breakfast"}
        (stored,) = two.events("family")
        two.delete_event("family", stored.id, stored.revision)
        two.sync("home")
        assert one.sync("home").counts.deleted == 1
        assert titles(one) == {}


@pytest.mark.parametrize("kind", [CalDavEmulator, GoogleEmulator, MicrosoftEmulator])
def test_it_wants_its_secret_and_ends(kind: type[Emulator]) -> None:
    with blocking.Engine() as engine:
        with kind(secret="never shown") as emulator:
            wrong = emulator.account.copy()
            wrong["secret"] = "another"
            engine.connect("stranger", **wrong)
            with pytest.raises(calsync.CredentialsError) as refused:
                engine.remote_calendars("stranger")
            assert "never shown" not in str(refused.value)
            engine.connect("account", **emulator.account)
            assert len(engine.remote_calendars("account")) == 1
        with pytest.raises(calsync.CalsyncError) as gone:
            engine.remote_calendars("account")
        assert gone.value.retryable
