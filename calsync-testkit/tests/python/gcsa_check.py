"""The Google Calendar emulator driven by gcsa, a client other people wrote, signed in with google-auth-oauthlib.

Usage: gcsa_check.py URL

gcsa does what its users do with it: it makes, reads, changes, moves and deletes single events and series.
"""

import json
import os
import sys
from datetime import date, datetime, timedelta
from importlib import resources

import requests
from gcsa.event import Event
from gcsa.google_calendar import GoogleCalendar
from gcsa.recurrence import Recurrence, WEEKLY
from gcsa.reminders import PopupReminder
from google_auth_oauthlib.flow import Flow
from googleapiclient.discovery import build_from_document

# The library signs in over https and nothing else, unless it is told that this is a test.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

URL = sys.argv[1]
REDIRECT = "http://127.0.0.1:4711/"
SCOPES = ["openid", "https://www.googleapis.com/auth/calendar"]


def credentials():
    """The code flow with PKCE, as the library does it; the emulated person allows everything."""
    client = {
        "client_id": "calsync",
        # A public client; the library asks for the member all the same.
        "client_secret": "",
        "auth_uri": URL + "o/oauth2/v2/auth",
        "token_uri": URL + "token",
        "redirect_uris": [REDIRECT],
    }
    flow = Flow.from_client_config({"installed": client}, SCOPES, redirect_uri=REDIRECT, autogenerate_code_verifier=True)
    asked, state = flow.authorization_url(access_type="offline", prompt="consent")
    assert "code_challenge_method=S256" in asked, asked
    answer = requests.get(asked, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    flow.fetch_token(authorization_response=answer.headers["Location"])
    found = flow.credentials
    assert found.refresh_token and found.valid
    # One that ran out is renewed by the client.
    found.expiry = datetime(2020, 1, 1)
    return found


def calendar():
    signed_in = credentials()
    before = signed_in.token
    client = GoogleCalendar("primary", credentials=signed_in)
    assert signed_in.token != before, "the token was renewed"
    name = resources.files("googleapiclient.discovery_cache.documents") / "calendar.v3.json"
    document = json.loads(name.read_text())
    document.update({"rootUrl": URL, "baseUrl": URL + "calendar/v3/"})
    document.pop("mtlsRootUrl", None)
    client.service = build_from_document(document, credentials=signed_in)
    return client


def main():
    client = calendar()
    assert any(entry.primary for entry in client.get_calendar_list())

    start = datetime(2026, 3, 2, 9, 0)
    spring = (datetime(2026, 3, 1), datetime(2026, 4, 30))
    lunch = Event(
        "lunch of gcsa",
        start=start,
        end=start + timedelta(hours=1),
        timezone="Europe/Berlin",
        location="here",
        description="one\ntwo",
        reminders=[PopupReminder(minutes_before_start=15)],
    )
    made = client.add_event(lunch)
    assert made.event_id and made.summary == "lunch of gcsa"
    read = client.get_event(made.event_id)
    assert (read.location, read.description) == ("here", "one\ntwo")
    assert [reminder.minutes_before_start for reminder in read.reminders] == [15]

    read.summary = "changed by gcsa"
    read.end = start + timedelta(hours=2)
    changed = client.update_event(read)
    assert changed.summary == "changed by gcsa"
    assert client.get_event(made.event_id).end - client.get_event(made.event_id).start == timedelta(hours=2)

    series = client.add_event(
        Event(
            "series of gcsa",
            start=start + timedelta(days=1),
            end=start + timedelta(days=1, hours=1),
            timezone="Europe/Berlin",
            recurrence=Recurrence.rule(freq=WEEKLY, count=4),
        )
    )
    assert any("FREQ=WEEKLY" in rule for rule in series.recurrence), series.recurrence
    instances = list(client.get_instances(series, *spring))
    assert len(instances) == 4, instances
    client.delete_event(instances[1])
    left = list(client.get_events(*spring, single_events=True))
    assert sum(event.summary == "series of gcsa" for event in left) == 3, left

    all_day = client.add_event(Event("a day of gcsa", start=date(2026, 3, 8)))
    assert all_day.start == date(2026, 3, 8) and all_day.end == date(2026, 3, 9)

    for event in (made, series, all_day):
        client.delete_event(event)
    rest = client.get_events(*spring, single_events=True)
    assert not [event for event in rest if event.summary and event.summary.endswith("gcsa")]
    print("gcsa: ok")


main()
