"""Reads pgBackRest's `info --output=json` from stdin and says what scripts need of it.

facts LABEL             lines of name=value on a backup
keep LAST DAYS          how many full backups stay: the newest LAST, those of DAYS days and the one before them; 0: nothing goes now
newest LABEL            the folder of the archive that a backup's system wrote to last, and the newest file in it
point LABEL END [TIME]  how a backup is restored: "immediate" (the state at its end), "default" (all that was archived since), or "time"
"""
import json
import sys
from datetime import datetime, timedelta, timezone


def stop(text):
    sys.exit(text)


def moment(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read():
    found = json.load(sys.stdin)
    stanza = found[0] if found else stop("pgBackRest has no backup here")
    code, message = stanza["status"]["code"], stanza["status"]["message"]
    # 0: all is well; 2: no backup yet. Anything else is no answer, whatever the exit code was.
    if code not in (0, 2):
        stop(f"the repository of pgBackRest cannot be read: {message}")
    return stanza


def pick(stanza, label):
    for backup in stanza["backup"]:
        if backup["label"] == label:
            return backup
    return stop(f"pgBackRest has no backup {label or '(none was named)'}: it has expired, or was removed")


# The system whose data a backup or an archive is of. A stack that was built anew has another one, and each restore goes on with that of the data.
def system(stanza, entry):
    return next((db["system-id"] for db in stanza.get("db", []) if db["id"] == entry["database"]["id"]), None)


def siblings(stanza, backup):
    return [other for other in stanza["backup"] if system(stanza, other) == system(stanza, backup)]


def facts(stanza, label):
    backup = pick(stanza, label)
    if backup.get("error"):
        stop(f"backup {label} is stored, and holds pages whose checksums are wrong: the data of the member that was read is damaged")
    database = next(entry for entry in stanza["db"] if entry["id"] == backup["database"]["id"])
    first = siblings(stanza, backup)[0]
    return {
        "label": label,
        "type": backup["type"],
        "prior-label": backup["prior"] or "",
        "system-id": database["system-id"],
        "version": database["version"],
        "started": moment(backup["timestamp"]["start"]),
        "stopped": moment(backup["timestamp"]["stop"]),
        "lsn-start": backup["lsn"]["start"],
        "lsn-stop": backup["lsn"]["stop"],
        "wal-start": backup["archive"]["start"],
        "wal-stop": backup["archive"]["stop"],
        "bytes": backup["info"]["size"],
        "stored-bytes": backup["info"]["repository"]["delta"],
        "window-from": moment(first["timestamp"]["stop"]),
    }


# The first backups of a system that was built anew may hold nothing: for a while they push out none of the one before.
GRACE = timedelta(days=7)


def keep(stanza, last, days):
    full = [backup["timestamp"]["stop"] for backup in stanza["backup"] if backup["type"] == "full"]
    mine = siblings(stanza, stanza["backup"][-1])
    if len(mine) < len(stanza["backup"]) and mine[0]["timestamp"]["stop"] > (datetime.now(timezone.utc) - GRACE).timestamp():
        return 0
    oldest = (datetime.now(timezone.utc) - timedelta(days=days)).timestamp()
    young = sum(1 for stopped in full if stopped >= oldest)
    # A state of that many days ago is restored from the full backup before it.
    return max(1, last, young + 1 if days > 0 else 0)


def newest(stanza, label):
    backup = pick(stanza, label)
    archive = [one for one in stanza["archive"] if system(stanza, one) == system(stanza, backup) and one["max"]][-1]
    return f"archive/main/{archive['id']}/{archive['max'][:16]} {archive['max']}"


def point(stanza, label, end, wanted):
    backup = pick(stanza, label)
    if wanted is None:
        return "default" if siblings(stanza, backup)[-1]["label"] == label else "immediate"
    target = datetime.fromisoformat(wanted.replace("Z", "+00:00")).timestamp()
    first = siblings(stanza, backup)[0]
    if target < backup["timestamp"]["stop"] or target > end:
        stop(f"{wanted} is outside of what can be restored: {moment(first['timestamp']['stop'])} to {moment(end)}, and from backup {label} not before {moment(backup['timestamp']['stop'])}")
    return "time"


def main(command, *arguments):
    stanza = read()
    if command == "facts":
        print("\n".join(f"{name}={value}" for name, value in facts(stanza, *arguments).items()))
    elif command == "keep":
        print(keep(stanza, *map(int, arguments)))
    elif command == "newest":
        print(newest(stanza, *arguments))
    elif command == "point":
        label, end, *wanted = arguments
        print(point(stanza, label, int(end), wanted[0] if wanted else None))


main(*sys.argv[1:])
