"""The program under test, held to its contract: exit codes, JSON keys, and silence about what is nobody's business."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

IN_STEP, ERROR, HELD, CREDENTIALS = 0, 1, 2, 3
COUNTERS = ("pulled", "created", "updated", "deleted", "pushed", "conflicts", "quarantined", "held", "requests")
PASSWORD_VARIABLE = "CALSYNC_E2E_PASSWORD"
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Run:
    """How one call ended. `links` is by name; None where the contract promises no report."""

    arguments: tuple
    code: int
    links: dict
    errors: str

    def idle(self):
        """Nothing was done on any link, and nothing waits for a person."""
        done = ("created", "updated", "deleted", "pushed", "held")
        return all(link[counter] == 0 for link in self.links.values() for counter in done)

    def total(self, counter):
        return sum(link[counter] for link in self.links.values())

    def plans(self):
        return [link["plan_id"] for link in self.links.values() if link["held"] > 0]

    def __str__(self):
        return f"calsync {' '.join(self.arguments)} -> {self.code}\n{json.dumps(self.links, indent=1)}\n{self.errors}"


class Calsync:
    """The program in a folder of its own, with one configuration."""

    def __init__(self, program, folder, config, password):
        self.program = Path(program).resolve()
        self.folder = folder
        self.password = password
        # Texts that belong in no log: passwords, and the marker that scenarios put into events.
        self.secret = {"event-text-9d41", "no-such-password-9d41"}
        self.runs = []
        self.configure(config)

    def configure(self, config):
        (self.folder / "calsync.toml").write_text(config, encoding="utf-8")

    def call(self, *arguments):
        """Runs a command; returns (exit code, standard output, standard error)."""
        command, *rest = arguments
        done = subprocess.run(
            [self.program, command, "--config", "calsync.toml", *rest],
            cwd=self.folder,
            env={**os.environ, PASSWORD_VARIABLE: self.password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        assert done.returncode in (IN_STEP, ERROR, HELD, CREDENTIALS), f"{arguments}: exit {done.returncode}\n{err}"
        assert "panicked" not in err, err
        for secret in self.secret:
            assert secret not in err, f"{arguments}: {secret} in the error output\n{err}"
        return done.returncode, out, err

    def json(self, *arguments):
        """Runs a command that prints one JSON object; returns (exit code, object)."""
        code, out, err = self.call(*arguments, "--json")
        try:
            value = json.loads(out)
        except json.JSONDecodeError as error:
            raise AssertionError(f"{arguments}: not one JSON value ({error})\n{out}\n{err}") from error
        assert isinstance(value, dict), f"{arguments}: {type(value).__name__}, not an object"
        return code, value

    def sync(self, *arguments, expect=(IN_STEP,)):
        """`calsync sync --json`, with one of the exit codes it may have."""
        code, out, err = self.call("sync", "--json", *arguments)
        assert code in expect, f"sync {arguments}: exit {code}, not {expect}\n{out}\n{err}"
        links = report(out) if code in (IN_STEP, HELD) else None
        run = Run(("sync", *arguments), code, links, err)
        self.runs.append(run)
        return run

    def settle(self, most=3):
        """Syncs until a run does nothing; each run must end in step. Returns the runs, the idle one last."""
        runs = []
        for _ in range(most + 1):
            runs.append(self.sync())
            if runs[-1].idle():
                return runs
        raise AssertionError("not in step after %d runs:\n%s" % (len(runs), "\n".join(map(str, runs))))

    def events(self, calendar):
        """The hub's calendar as iCalendar text."""
        code, out, err = self.call("events", "--calendar", calendar, "--ics")
        assert code == IN_STEP, err
        return out


def report(out):
    """Checks the report of a sync against the contract and returns its links by name."""
    try:
        value = json.loads(out)
    except json.JSONDecodeError as error:
        raise AssertionError(f"not one JSON value ({error})\n{out}") from error
    links = {}
    for link in value["links"]:
        for counter in COUNTERS:
            number = link[counter]
            assert type(number) is int and number >= 0, f"{counter} is {number!r}"
        plan = link["plan_id"]
        assert plan is None or (isinstance(plan, str) and plan), f"plan_id is {plan!r}"
        assert link["held"] == 0 or plan is not None, "held without a plan to approve"
        assert link["name"] not in links, f"{link['name']} is reported twice"
        links[link["name"]] = link
    return links
