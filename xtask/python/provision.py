"""Fills a server that has just started: makes a calendar, for Cyrus the mailbox before it.

    provision.py calendar URL USER PASSWORD
    provision.py cyrus IMAP_PORT ADMIN ADMIN_PASSWORD URL USER PASSWORD
"""

import imaplib
import sys
import time

import requests

MKCALENDAR = """<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:set><D:prop><D:displayname>Work</D:displayname></D:prop></D:set>
</C:mkcalendar>"""


def patiently(action, seconds=20):
    """Repeats `action` while the server behind an open port is not ready to answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except (OSError, imaplib.IMAP4.abort):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def make_calendar(url, user, password):
    """RFC 4791, section 5.3.1: 201 and nothing else means that it was made."""
    answer = patiently(
        lambda: requests.request(
            "MKCALENDAR",
            url,
            data=MKCALENDAR,
            auth=(user, password),
            headers={"Content-Type": "application/xml; charset=utf-8"},
            timeout=20,
        )
    )
    if answer.status_code != 201:
        sys.exit(f"MKCALENDAR {url}: {answer.status_code}\n{answer.text[:500]}")


def make_cyrus_user(port, admin, admin_password, home, user, password):
    """A Cyrus user is a mailbox; the first look at the calendar home then makes the default calendars."""

    def create():
        connection = imaplib.IMAP4("127.0.0.1", port, timeout=20)
        connection.login(admin, admin_password)
        status, text = connection.create(f"user/{user}")
        connection.logout()
        if status != "OK":
            sys.exit(f"CREATE user/{user}: {status} {text}")

    patiently(create)
    answer = requests.request("PROPFIND", home, auth=(user, password), headers={"Depth": "0"}, timeout=20)
    if answer.status_code != 207:
        sys.exit(f"PROPFIND {home}: {answer.status_code}\n{answer.text[:500]}")


def main(arguments):
    kind, *rest = arguments
    if kind == "cyrus":
        port, admin, admin_password, *rest = rest
        url, user, password = rest
        home = url.rstrip("/").rpartition("/")[0] + "/"
        make_cyrus_user(int(port), admin, admin_password, home, user, password)
    url, user, password = rest
    make_calendar(url, user, password)


if __name__ == "__main__":
    main(sys.argv[1:])
