"""`calsync` from end to end: Radicale and Xandikos kept in step through one store.

Each scenario has its own calendar on both servers, its own store and its own configuration. Both sides are edited and checked with
the Python `caldav` client; what calsync wrote is read with `icalendar`, and by vdirsyncer. All scenarios run, also after one
has failed; the exit code is 1 when any did.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

import icalendar

from harness.calsync import CREDENTIALS, ERROR, HELD, IN_STEP, PASSWORD_VARIABLE, Calsync
from harness.proxy import Proxy
from harness.remote import Remote, components, event, property_of, text

LINKS = {"a", "b"}

CONFIG = """
{store}

[connections.radicale]
provider = "caldav"
url = "{a_url}"
username = "{user}"
password = "env:{variable}"

[connections.xandikos]
provider = "caldav"
url = "{b_url}"
username = "{user}"
password = "env:{variable}"

[[links]]
name = "a"
calendar = "family"
connection = "radicale"
remote = "{a_remote}"
direction = "{a_direction}"
conflicts = "remote-wins"

[[links]]
name = "b"
calendar = "family"
connection = "xandikos"
remote = "{b_remote}"
direction = "{b_direction}"
conflicts = "{b_conflicts}"
"""

# Every week on Tuesday in Berlin, across the end of summer time; one left out, one moved and renamed.
SERIES = text(
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//calsync//end to end//EN",
    "BEGIN:VTIMEZONE",
    "TZID:Europe/Berlin",
    "BEGIN:DAYLIGHT",
    "DTSTART:19810329T020000",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "TZNAME:CEST",
    "END:DAYLIGHT",
    "BEGIN:STANDARD",
    "DTSTART:19961027T030000",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100",
    "TZNAME:CET",
    "END:STANDARD",
    "END:VTIMEZONE",
    "BEGIN:VEVENT",
    "UID:series-1",
    "DTSTAMP:20260801T000000Z",
    "DTSTART;TZID=Europe/Berlin:20261006T180000",
    "DTEND;TZID=Europe/Berlin:20261006T190000",
    "RRULE:FREQ=WEEKLY;COUNT=8;BYDAY=TU",
    "EXDATE;TZID=Europe/Berlin:20261020T180000",
    "SUMMARY:Choir",
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    "DESCRIPTION:Choir",
    "TRIGGER:-PT30M",
    "END:VALARM",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "UID:series-1",
    "DTSTAMP:20260801T000000Z",
    "RECURRENCE-ID;TZID=Europe/Berlin:20261027T180000",
    "DTSTART;TZID=Europe/Berlin:20261027T193000",
    "DTEND;TZID=Europe/Berlin:20261027T203000",
    "SUMMARY:Choir\\, late",
    "END:VEVENT",
    "END:VCALENDAR",
)
MOVED = "20261027T180000"


class World:
    """One scenario's calendars, store and program."""

    def __init__(self, options, folder, name):
        self.options = options
        self.folder = folder
        # Each scenario is a tenant of its own in a database they share, or has its own file.
        self.store = f'store = "{options.store}"\ntenant = "{name}"' if options.store else 'store = "sqlite:calsync.db"'
        self.proxies = {"a": Proxy(options.radicale), "b": Proxy(options.xandikos)}
        self.a = Remote(options.radicale, options.user, options.password, f"{name} a")
        self.b = Remote(options.xandikos, options.user, options.password, f"{name} b")
        self.calsync = Calsync(options.calsync, folder, self.config(), options.password)

    def config(self, a_direction="two-way", b_direction="two-way", b_conflicts="remote-wins"):
        a, b = self.proxies["a"].url, self.proxies["b"].url
        # One remote by its display name and one by its URL: both are ways to say it.
        return CONFIG.format(
            store=self.store,
            a_url=a,
            b_url=b,
            user=self.options.user,
            variable=PASSWORD_VARIABLE,
            a_remote=self.a.name,
            b_remote=b.rstrip("/") + self.b.path,
            a_direction=a_direction,
            b_direction=b_direction,
            b_conflicts=b_conflicts,
        )

    def wire(self):
        """What went over the wire since the last look, by link."""
        return {name: proxy.take() for name, proxy in self.proxies.items()}

    def assert_same(self, *uids):
        """Both sides hold exactly these events and say the same about them."""
        a, b = self.a.all(), self.b.all()
        assert set(a) == set(uids), f"radicale holds {sorted(a)}, not {sorted(uids)}"
        assert set(b) == set(uids), f"xandikos holds {sorted(b)}, not {sorted(uids)}"
        for uid in uids:
            assert components(a[uid]) == components(b[uid]), f"{uid} differs:\n{a[uid]}\n{b[uid]}"

    def assert_quiet(self):
        """A run with nothing to do writes nothing and asks each server once, in under 1 KB."""
        self.wire()
        run = self.calsync.sync()
        assert run.idle(), run
        assert set(run.links) == LINKS, run
        for name, exchanges in self.wire().items():
            assert run.links[name]["requests"] == 1, run
            assert len(exchanges) == 1, f"{name}: the report says 1 request, the wire had {exchanges}"
            assert sum(one.sent + one.received for one in exchanges) < 1024, exchanges


def scenario_dry_run_writes_nothing(world):
    world.a.add(event("dry-1", "Plan me"))
    world.a.add(event("dry-2", "Plan me too"))
    before = world.a.all()
    planned = world.calsync.sync("--dry-run")
    assert planned.links["a"]["created"] == 2, planned
    written = [one for exchanges in world.wire().values() for one in exchanges if one.writes]
    assert not written, written
    assert world.a.all() == before
    assert not world.b.all()
    # Had the dry run stored anything, the events or the cursor, the run after it would find less to do.
    done = world.calsync.sync()
    assert done.links["a"]["created"] == 2, done
    world.calsync.settle()
    world.assert_same("dry-1", "dry-2")


def scenario_first_sync_copies_both_ways(world):
    world.a.add(event("from-a-1", "Dentist"))
    world.a.add(event("from-a-2", "Holiday", start="DTSTART;VALUE=DATE:20260812", end="DTEND;VALUE=DATE:20260815"))
    world.b.add(event("from-b-1", "Käse\\, Brot und 🥨", "LOCATION:Marktplatz", "CATEGORIES:Food,Family"))
    runs = world.calsync.settle()
    assert sum(run.total("pushed") for run in runs) == 3, runs
    world.assert_same("from-a-1", "from-a-2", "from-b-1")
    hub = icalendar.Calendar.from_ical(world.calsync.events("family"))
    assert {str(part["UID"]) for part in hub.walk("VEVENT")} == {"from-a-1", "from-a-2", "from-b-1"}
    world.assert_quiet()


def scenario_same_event_on_both_sides_is_one_event(world):
    world.a.add(event("shared", "Concert"))
    world.b.add(event("shared", "Concert"))
    world.calsync.settle()
    world.assert_same("shared")
    hub = icalendar.Calendar.from_ical(world.calsync.events("family"))
    assert [str(part["UID"]) for part in hub.walk("VEVENT")] == ["shared"], hub


def scenario_disjoint_edits_of_one_event_merge(world):
    world.a.add(event("merge-1", "Swimming", "LOCATION:Old pool"))
    world.calsync.settle()
    world.a.set("merge-1", "SUMMARY", "Swimming course")
    world.b.set("merge-1", "LOCATION", "New pool")
    runs = world.calsync.settle()
    world.assert_same("merge-1")
    merged = world.a.read("merge-1")
    assert property_of(merged, "SUMMARY") == "Swimming course", merged
    assert property_of(merged, "LOCATION") == "New pool", merged
    assert sum(run.total("conflicts") for run in runs) == 0, runs
    world.assert_quiet()


def scenario_series_travels_whole(world):
    world.a.add(SERIES)
    before = components(world.a.read("series-1"))
    world.calsync.settle()
    world.assert_same("series-1")
    assert components(world.a.read("series-1")) == before
    assert set(before) == {None, MOVED}, before
    # And back: an edit of the override alone, which leaves the master as it is.
    world.b.set("series-1", "LOCATION", "Town hall", instance=MOVED)
    world.calsync.settle()
    world.assert_same("series-1")
    after = world.a.read("series-1")
    assert property_of(after, "LOCATION", instance=MOVED) == "Town hall", after
    assert components(after)[None] == before[None], after
    world.assert_quiet()


def scenario_additions_and_deletions_travel(world):
    for number in range(1, 5):
        world.a.add(event(f"come-{number}", f"Event {number}"))
    world.calsync.settle()
    world.a.delete("come-1")
    world.b.delete("come-2")
    world.a.add(event("come-5", "Added on Radicale"))
    world.b.add(event("come-6", "Added on Xandikos"))
    world.calsync.settle()
    world.assert_same("come-3", "come-4", "come-5", "come-6")
    world.assert_quiet()


def scenario_unknown_properties_survive_a_foreign_edit(world):
    kept = ("X-ROOM-PLAN;X-FLOOR=2:u-shape", "X-NOTE:semi\\;colon\\, comma", "CLASS:CONFIDENTIAL", "GEO:48.1;11.5")
    world.a.add(event("kept-1", "Board", *kept))
    world.calsync.settle()
    before = components(world.a.read("kept-1"))[None]
    world.b.set("kept-1", "SUMMARY", "Board meeting")
    world.calsync.settle()
    # What the model has no word for stays with the side that has it; it is not carried to the other one.
    assert set(world.a.all()) == set(world.b.all()) == {"kept-1"}
    after = components(world.a.read("kept-1"))[None]
    assert {one[0] for one in before ^ after} == {"SUMMARY"}, before ^ after
    assert {"X-ROOM-PLAN", "X-NOTE", "CLASS", "GEO"} <= {one[0] for one in after}, after


def scenario_a_conflict_is_decided_and_recorded(world):
    world.a.add(event("clash-1", "Lunch"))
    world.calsync.settle()
    code, before = world.calsync.json("conflicts")
    assert code == 0 and before["conflicts"] == [], before
    world.a.set("clash-1", "SUMMARY", "Lunch with Ada")
    world.b.set("clash-1", "SUMMARY", "Lunch with Ben")
    runs = world.calsync.settle()
    assert max(run.total("conflicts") for run in runs) == 1, runs
    world.assert_same("clash-1")
    # The link that comes second finds the conflict, and its remote wins.
    assert property_of(world.a.read("clash-1"), "SUMMARY") == "Lunch with Ben"
    code, after = world.calsync.json("conflicts")
    assert code == 0 and len(after["conflicts"]) == 1, after
    world.assert_quiet()


def scenario_local_wins_keeps_what_the_hub_has(world):
    world.calsync.configure(world.config(b_conflicts="local-wins"))
    world.a.add(event("clash-2", "Dinner"))
    world.calsync.settle()
    world.a.set("clash-2", "SUMMARY", "Dinner with Ada")
    world.b.set("clash-2", "SUMMARY", "Dinner with Ben")
    world.calsync.settle()
    world.assert_same("clash-2")
    assert property_of(world.b.read("clash-2"), "SUMMARY") == "Dinner with Ada"
    _, recorded = world.calsync.json("conflicts")
    assert len(recorded["conflicts"]) == 1, recorded


def scenario_import_and_export_go_one_way(world):
    """Radicale is imported and never written; Xandikos is exported to, and what it has of its own stays its own."""
    copies = 'direction = "export"\ncopies = { start = { type = "everything" } }'
    config = world.config(a_direction="import", b_direction="export").replace('direction = "export"', copies)
    world.calsync.configure(config)
    world.a.add(event("one-1", "Shift"))
    world.a.add(event("one-2", "Shift"))
    world.b.add(event("own-1", "Private"))
    world.calsync.settle()
    assert set(world.b.all()) == {"one-1", "one-2", "own-1"}
    world.a.set("one-1", "SUMMARY", "Late shift")
    world.a.delete("one-2")
    world.calsync.settle()
    assert set(world.a.all()) == {"one-1"}
    assert set(world.b.all()) == {"one-1", "own-1"}
    assert property_of(world.b.read("one-1"), "SUMMARY") == "Late shift"
    written = [one for one in world.wire()["a"] if one.writes]
    assert not written, written
    hub = icalendar.Calendar.from_ical(world.calsync.events("family"))
    assert [str(part["UID"]) for part in hub.walk("VEVENT")] == ["one-1"], hub


def scenario_what_is_passed_on_is_busy_only_until_it_says_otherwise(world):
    """Nothing of a foreign calendar but its times reaches the other server; asked for later, its titles do."""
    plain = world.config(a_direction="import", b_direction="export")
    world.calsync.configure(plain)
    world.a.add(event("secret-1", "Canary"))
    world.calsync.settle()
    (uid,) = world.b.all()
    assert uid != "secret-1" and property_of(world.b.read(uid), "SUMMARY") == "Busy", uid
    step = '{ name = "title", transform = { type = "keep", fields = ["title"] } }'
    copies = 'direction = "export"\ncopies = { steps = [' + step + "] }"
    world.calsync.configure(plain.replace('direction = "export"', copies))
    world.calsync.settle()
    assert property_of(world.b.read(uid), "SUMMARY") == "Canary"
    world.calsync.configure(plain)
    world.calsync.settle()
    assert property_of(world.b.read(uid), "SUMMARY") == "Busy"


def scenario_an_import_is_never_written_to(world):
    """Not even when the hub has changed what was imported, and has events the remote lacks."""
    world.calsync.configure(world.config(a_direction="import"))
    world.a.add(event("in-1", "Shift"))
    world.calsync.settle()
    world.b.set("in-1", "SUMMARY", "Shift, swapped with Ada")
    world.b.add(event("in-2", "Sleep"))
    world.calsync.settle()
    written = [one for one in world.wire()["a"] if one.writes]
    assert not written, written
    assert set(world.a.all()) == {"in-1"}
    assert property_of(world.a.read("in-1"), "SUMMARY") == "Shift"
    # What was edited in the hub is not undone by the next look at the remote, which has not changed.
    assert property_of(world.b.read("in-1"), "SUMMARY") == "Shift, swapped with Ada"
    hub = icalendar.Calendar.from_ical(world.calsync.events("family"))
    assert {str(part["UID"]) for part in hub.walk("VEVENT")} == {"in-1", "in-2"}, hub
    world.assert_quiet()


def scenario_a_lost_reply_makes_no_duplicate(world):
    world.a.add(event("lost-1", "Written once"))
    world.proxies["b"].lose_next_reply("PUT")
    # Whether the same run finds out, or the next one does: the event is there once, and nothing is left to do.
    world.calsync.sync(expect=(IN_STEP, ERROR))
    assert world.proxies["b"].lost is None, "nothing was written"
    world.calsync.settle()
    world.assert_same("lost-1")
    world.assert_quiet()


def scenario_an_unreadable_item_stops_no_other(world):
    world.b.add(event("good-1", "Readable"))
    # RFC 5545, 3.6.1: an event in a calendar collection has a DTSTART. Xandikos stores this one all the same.
    broken = event("bad-1", "event-text-9d41", start="X-START:none", end="X-END:none")
    world.b.store_as_it_is("bad-1.ics", broken)
    first = world.calsync.sync()
    assert first.links["b"]["quarantined"] == 1, first
    world.calsync.settle()
    assert set(world.a.all()) == {"good-1"}
    # It was not understood, so it was not touched either.
    assert "X-START:none" in world.b.all()["bad-1"]


def scenario_mass_deletion_is_held_until_approved(world):
    uids = [f"mass-{number:02}" for number in range(30)]
    for uid in uids:
        world.a.add(event(uid, f"event-text-9d41 {uid}"))
    world.calsync.settle()
    for uid in uids[1:]:
        world.a.delete(uid)
    held = world.calsync.sync(expect=(HELD,))
    assert held.links["a"]["held"] > 0, held
    assert len(world.b.all()) == 30
    # Asking again changes nothing and decides nothing.
    again = world.calsync.sync(expect=(HELD,))
    assert len(world.b.all()) == 30
    code, _, _ = world.calsync.call("sync", "--json", "--approve", "no-such-plan")
    assert code == ERROR and len(world.b.all()) == 30
    # The deletions reach the second link as a plan of its own, which may want a person's word too.
    plans = again.plans()
    for _ in range(3):
        if not plans:
            break
        code, out, err = world.calsync.call("sync", "--json", "--approve", plans[0])
        assert code in (0, HELD), f"--approve: exit {code}\n{out}\n{err}"
        plans = world.calsync.sync(expect=(code,)).plans() if code == HELD else []
    world.calsync.settle()
    world.assert_same(uids[0])
    world.assert_quiet()


def scenario_wrong_password_asks_for_credentials(world):
    world.a.add(event("auth-1", "Stay"))
    world.calsync.settle()
    right, world.calsync.password = world.calsync.password, "no-such-password-9d41"
    world.calsync.sync("--link", "a", expect=(CREDENTIALS,))
    world.calsync.password = right
    world.assert_same("auth-1")
    world.assert_quiet()


def scenario_unreachable_server_costs_no_data(world):
    for number in range(1, 4):
        world.a.add(event(f"down-{number}", f"Event {number}"))
    world.calsync.settle()
    world.proxies["a"].down()
    world.b.set("down-1", "SUMMARY", "Edited while Radicale was away")
    world.calsync.sync(expect=(ERROR,))
    assert set(world.b.all()) == {"down-1", "down-2", "down-3"}
    assert len(world.a.all()) == 3
    world.a.set("down-2", "SUMMARY", "Edited on Radicale meanwhile")
    world.proxies["a"].up()
    world.calsync.settle()
    world.assert_same("down-1", "down-2", "down-3")
    both = world.a.all()
    assert property_of(both["down-1"], "SUMMARY") == "Edited while Radicale was away"
    assert property_of(both["down-2"], "SUMMARY") == "Edited on Radicale meanwhile"
    world.assert_quiet()


def scenario_feed_file_is_imported(world):
    feed = world.folder / "feed.ics"

    def publish(*days):
        body = [
            line
            for uid, summary, day in days
            for line in (
                "BEGIN:VEVENT",
                f"UID:{uid}",
                "DTSTAMP:20260101T000000Z",
                f"DTSTART;VALUE=DATE:{day}",
                f"SUMMARY:{summary}",
                "END:VEVENT",
            )
        ]
        head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//calsync//feed//EN", "X-WR-CALNAME:Days off")
        feed.write_text(text(*head, *body, "END:VCALENDAR"), encoding="utf-8", newline="")

    def hub():
        calendar = icalendar.Calendar.from_ical(world.calsync.events("days-off"))
        return {str(part["UID"]): str(part["SUMMARY"]) for part in calendar.walk("VEVENT")}

    world.calsync.configure(
        f"""
{world.store}

[connections.feed]
provider = "ics"
url = "{feed.as_uri()}"

[[links]]
name = "feed"
calendar = "days-off"
connection = "feed"
remote = "{feed.as_uri()}"
direction = "import"
conflicts = "remote-wins"
"""
    )
    days = [("day-1", "New Year", "20270101"), ("day-2", "Labour Day", "20270501"), ("day-3", "Unity", "20271003")]
    publish(*days)
    first = world.calsync.sync()
    assert first.links["feed"]["created"] == 3, first
    assert hub() == {uid: summary for uid, summary, _ in days}
    assert world.calsync.sync().idle()
    publish(days[0], ("day-2", "May Day", "20270501"), days[2], ("day-4", "Christmas", "20271225"))
    second = world.calsync.sync()
    assert (second.links["feed"]["created"], second.links["feed"]["updated"]) == (1, 1), second
    assert hub() == {"day-1": "New Year", "day-2": "May Day", "day-3": "Unity", "day-4": "Christmas"}
    # A file that is no calendar any more is an error, not a calendar without events.
    feed.write_text("<html>sign in</html>", encoding="utf-8")
    world.calsync.sync(expect=(ERROR,))
    assert len(hub()) == 4


def scenario_a_wrong_configuration_is_named(world):
    right = world.config()
    for wrong, word in (
        (right.replace('provider = "caldav"', 'provider = "caldva"', 1), "provider"),
        (right.replace('connection = "radicale"', 'connection = "radical"', 1), "connection"),
        (right.replace('direction = "two-way"', 'direction = "sideways"', 1), "direction"),
    ):
        world.calsync.configure(wrong)
        code, out, err = world.calsync.call("sync", "--json")
        assert code == ERROR, f"exit {code}\n{out}\n{err}"
        assert word in err + out, f"{word} is not named in {err!r}"
    assert not any(world.wire().values()), "a wrong configuration was noticed only after asking a server"


def scenario_others_read_what_was_written(world):
    """vdirsyncer copies both calendars into folders, and `icalendar` reads every file."""
    world.a.add(SERIES)
    world.b.add(event("read-1", "Ünïcode 🎉", "DESCRIPTION:" + "long line " * 40))
    world.b.add(event("read-2", "All day", start="DTSTART;VALUE=DATE:20260901", end="DTEND;VALUE=DATE:20260902"))
    world.calsync.settle()
    world.assert_same("series-1", "read-1", "read-2")
    options = world.options
    for remote, url in ((world.a, options.radicale), (world.b, options.xandikos)):
        copy = world.folder / "copies" / remote.collection
        copy.mkdir(parents=True)
        (world.folder / "vdirsyncer.conf").write_text(
            f"""[general]
status_path = "{world.folder}/status-{remote.collection}/"

[pair copy]
a = "server"
b = "folder"
collections = [["copy", "{remote.collection}", "{remote.collection}"]]

[storage server]
type = "caldav"
url = "{url}"
username = "{options.user}"
password = "{options.password}"

[storage folder]
type = "filesystem"
path = "{copy.parent}"
fileext = ".ics"
""",
            encoding="utf-8",
        )
        for command in ("discover", "sync"):
            vdirsyncer = [options.vdirsyncer, "--config", world.folder / "vdirsyncer.conf", command]
            done = subprocess.run(vdirsyncer, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, f"vdirsyncer {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        files = sorted(copy.glob("*.ics"))
        assert len(files) == 3, files
        for file in files:
            calendar = icalendar.Calendar.from_ical(file.read_bytes())
            faults = [fault for part in calendar.walk() for fault in part.errors]
            assert not faults, f"{file.name}: {faults}"
            for part in calendar.walk("VEVENT"):
                assert part["DTSTAMP"] and part["DTSTART"] and part["UID"], part


def scenario_the_log_is_json(world):
    world.a.add(event("log-1", "event-text-9d41"))
    world.calsync.settle()
    code, log = world.calsync.json("log")
    assert code == 0 and any(isinstance(entries, list) and entries for entries in log.values()), log


def scenario_calendars_are_listed(world):
    code, out, err = world.calsync.call("calendars")
    assert code == IN_STEP, err
    for remote in (world.a, world.b):
        assert remote.name in out, f"{remote.name} is not in\n{out}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calsync", required=True, help="the program")
    parser.add_argument("--radicale", required=True, help="URL of a Radicale")
    parser.add_argument("--xandikos", required=True, help="URL of a Xandikos")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--vdirsyncer", required=True, help="the program")
    parser.add_argument("--store", help="postgres:// URL of a store; a SQLite file for each scenario when left out")
    parser.add_argument("--only", nargs="*", help="scenarios whose name contains one of these words")
    options = parser.parse_args()
    prefix = "scenario_"
    scenarios = {name.removeprefix(prefix): run for name, run in globals().items() if name.startswith(prefix)}
    if options.only:
        scenarios = {name: run for name, run in scenarios.items() if any(word in name for word in options.only)}
    failed = []
    for name, run in scenarios.items():
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="calsync-e2e-") as folder:
            try:
                # Random, so that the same servers can be used again.
                run(World(options, Path(folder), uuid.uuid4().hex[:12]))
                word = "ok"
            except Exception:
                traceback.print_exc()
                failed.append(name)
                word = "FAILED"
        print(f"{word:6} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{len(scenarios) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not scenarios else 0


if __name__ == "__main__":
    sys.exit(main())
