"""Reads pgBackRest's `info --output=json` from stdin and says what scripts need of it.

facts LABEL                   lines of name=value on a backup
keep LAST DAYS                how many full backups stay: the newest LAST, those of DAYS days and the one before them; 0: nothing goes now
archives LABEL                the archives that a backup's log is in, one in a line
point LABEL FOLDER [TYPE AT]  how a backup is restored: "immediate" (the state at its end), "default" (all that was archived since), or TYPE (time, lsn
                              or name). FOLDER holds what `repo-ls --recurse` lists of these archives (ARCHIVE.list) and their histories (*.history)
log LABEL FOLDER [TYPE AT]    the paths of the files of the log that this restore reads, in order
whole LABEL FOLDER [TYPE AT]  what is wrong with what `verify` (FOLDER/verified) found, of all that this restore reads

What cannot be restored ends with code 3 where the store's content is at fault, with 4 where the question is.
"""
import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

BROKEN, OUTSIDE = 3, 4

# As initdb makes them; nothing in a stack sets another size.
SEGMENT = 16 * 1024 * 1024


def stop(text, code=1):
    print(text, file=sys.stderr)
    sys.exit(code)


def moment(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def position(lsn):
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def written(position):
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


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
    return stop(f"pgBackRest has no backup {label or '(none was named)'}: it has expired, or was removed", BROKEN)


def database(stanza, entry):
    return next((db for db in stanza.get("db", []) if db["id"] == entry["database"]["id"]), {})


# The system whose data a backup or an archive is of. A stack that was built anew has another one, and each restore goes on with that of the data.
def same(stanza, entry, other):
    return database(stanza, entry).get("system-id") == database(stanza, other).get("system-id")


def siblings(stanza, backup):
    return [other for other in stanza["backup"] if same(stanza, other, backup)]


def facts(stanza, label):
    backup = pick(stanza, label)
    if backup.get("error"):
        stop(f"backup {label} is stored, and holds pages whose checksums are wrong: the data of the member that was read is damaged")
    servers, first = database(stanza, backup), siblings(stanza, backup)[0]
    return {
        "label": label,
        "type": backup["type"],
        "prior-label": backup["prior"] or "",
        "system-id": servers["system-id"],
        "version": servers["version"],
        "started": moment(backup["timestamp"]["start"]),
        "stopped": moment(backup["timestamp"]["stop"]),
        "lsn-start": backup["lsn"]["start"],
        "lsn-stop": backup["lsn"]["stop"],
        "wal-start": backup["archive"]["start"],
        "wal-stop": backup["archive"]["stop"],
        "bytes": backup["info"]["size"],
        "stored-bytes": backup["info"]["repository"]["delta"],
        "window-from": moment(first["timestamp"]["stop"]),
        "window-from-lsn": first["lsn"]["stop"],
    }


# The first backups of a system that was built anew may hold nothing: for a while they push out none of the one before.
GRACE = timedelta(days=7)


def keep(stanza, last, days):
    full = [backup["timestamp"]["stop"] for backup in stanza["backup"] if backup["type"] == "full"]
    mine = siblings(stanza, stanza["backup"][-1])
    if len(mine) < len(stanza["backup"]) and mine[0]["timestamp"]["stop"] > (datetime.now(timezone.utc) - GRACE).timestamp():
        return 0
    oldest_kept = (datetime.now(timezone.utc) - timedelta(days=days)).timestamp()
    young = sum(1 for stopped in full if stopped >= oldest_kept)
    # A state of that many days ago is restored from the full backup before it.
    return max(1, last, young + 1 if days > 0 else 0)


# That of the backup, and those that its system wrote to after it had been restored into a stack that was built anew.
def archives(stanza, label):
    backup = pick(stanza, label)
    own = f"{database(stanza, backup)['version']}-{backup['database']['id']}"
    more = [one["id"] for one in stanza.get("archive", []) if one["id"] != own and one["max"] and same(stanza, one, backup)]
    return [own, *more]


# Files of the log by name, each with the time and the path at which it was stored: more than one is more than PostgreSQL is given.
def segments(folder):
    found = {}
    for listed in sorted(folder.glob("*.list")):
        for path, entry in json.loads(listed.read_text()).items():
            if match := re.fullmatch(r"[0-9A-F]{16}/([0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?", path):
                found.setdefault(match[1], []).append((entry["time"], f"{listed.stem}/{path}"))
    return found


def number(name):
    return int(name[8:16], 16) * 256 + int(name[16:24], 16)


def name(timeline, segment):
    return f"{timeline:08X}{segment // 256:08X}{segment % 256:08X}"


# Where each timeline begins on the way from a backup to the newest, as PostgreSQL follows it: from one to the next for as long as there are histories.
def way(folder, backup):
    first = int(backup["archive"]["start"][:8], 16)
    newest = first
    while (folder / f"{newest + 1:08X}.history").exists():
        newest += 1
    if newest == first:
        return [(first, 0)]
    lines = [line.split() for line in (folder / f"{newest:08X}.history").read_text().splitlines() if re.match(r"\d", line)]
    ends = [(int(timeline), position(lsn)) for timeline, lsn, *_ in lines]
    begins = [(timeline, begin) for (_, begin), timeline in zip(ends, [timeline for timeline, _ in ends[1:]] + [newest])]
    left = dict(ends).get(first)
    if left is None or left < position(backup["lsn"]["stop"]):
        stop(f"what was written after backup {backup['label']} is of a history that a restore went back over: restore one from before that, or a newer one", OUTSIDE)
    return [(first, 0)] + [(timeline, begin) for timeline, begin in begins if begin >= left]


# The names of files that hold the log after a backup, in order.
def log(folder, backup, found):
    on = way(folder, backup)
    # A timeline ends where the next one begins; the file in which that is belongs to the next.
    ends = {timeline: begin // SEGMENT for (timeline, _), (_, begin) in zip(on, on[1:])}
    own = [number(entry) for entry in found if int(entry[:8], 16) in dict(on) and number(entry) < ends.get(int(entry[:8], 16), sys.maxsize)]
    last = max([*own, number(backup["archive"]["stop"])])
    return [
        name(max(timeline for timeline, begin in on if begin // SEGMENT <= segment), segment)
        for segment in range(number(backup["archive"]["start"]), last + 1)
    ]


# What ends the log before its end; what of the backup's own is missing leaves nothing.
def hole(backup, entry, what):
    rest = f": what is before it can be restored by lsn, before {written(number(entry) * SEGMENT)}" if number(entry) > number(backup["archive"]["stop"]) else ""
    stop(f"file {entry} of the log is {what}{rest}", BROKEN)


def default(stanza, label):
    return "default" if siblings(stanza, pick(stanza, label))[-1]["label"] == label else "immediate"


# The files that a restore reads, in order. Where a time or a name is in the log is known by who has read it: all of it.
def needed(stanza, label, folder, kind=None, at=None):
    backup, found = pick(stanza, label), segments(folder)
    if (kind or default(stanza, label)) == "immediate":
        timeline = int(backup["archive"]["start"][:8], 16)
        return [name(timeline, segment) for segment in range(number(backup["archive"]["start"]), number(backup["archive"]["stop"]) + 1)]
    files = log(folder, backup, found)
    if kind == "lsn":
        files = [entry for entry in files if number(entry) <= max(position(at) // SEGMENT, number(backup["archive"]["stop"]))]
    return files


def point(stanza, label, folder, kind=None, at=None):
    folder, backup = Path(folder), pick(stanza, label)
    found, first = segments(folder), siblings(stanza, backup)[0]
    if kind in ("time", "lsn"):
        last = next((entry for entry in reversed(log(folder, backup, found)) if entry in found), None)
        # The store knows whole seconds.
        until = max(time for time, _ in found[last]) + 1 if last else backup["timestamp"]["stop"]
        end = (number(last) + 1) * SEGMENT if last else position(backup["lsn"]["stop"])
        inside = (
            backup["timestamp"]["stop"] <= datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() <= until
            if kind == "time"
            else position(backup["lsn"]["stop"]) <= position(at) <= end
        )
        if not inside:
            window = f"{moment(first['timestamp']['stop'])} ({first['lsn']['stop']}) to {moment(until)} ({written(end)})"
            stop(f"{at} is outside of what can be restored: {window}, and from backup {label} not before {moment(backup['timestamp']['stop'])} ({backup['lsn']['stop']})", OUTSIDE)
    for entry in needed(stanza, label, folder, kind, at):
        if len(found.get(entry, [])) != 1:
            hole(backup, entry, "in the archive twice" if entry in found else "missing from the archive")
    return kind or default(stanza, label)


def paths(stanza, label, folder, kind=None, at=None):
    found = segments(Path(folder))
    return "\n".join(found[entry][0][1] for entry in needed(stanza, label, Path(folder), kind, at) if entry in found)


# What verify says of files that are not as they were stored: by "LABEL/FILE", without what their compression adds to the name.
def damaged(said, labels):
    named = re.compile(rf"INFO: (.*?((?:{'|'.join(map(re.escape, labels))})/.+?)(?:\.(?:gz|lz4|zst|bz2))?(?:'|: |$).*)", re.MULTILINE)
    return {file: line for line, file in named.findall(said)}


# The files of earlier backups that this one builds on, as damaged names them.
def borrowed(manifest):
    with open(manifest, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if found := re.match(r'(pg_\w+/.+?)=\{.*"reference":"([^"]+)"', line):
                yield f"{found[2]}/{found[1]}"


def whole(stanza, label, folder, kind=None, at=None):
    folder, backup = Path(folder), pick(stanza, label)
    said, manifest = (folder / "verified").read_text(errors="replace"), folder / "manifest"
    problems = damaged(said, [label, *(backup.get("reference") or [])])
    if f"backup: {label}, status: valid," not in said:
        stop(f"backup {label}: {next(iter(problems.values()), 'no manifest of it can be read')}", BROKEN)
    # Valid is also what builds on a broken file of another backup, where verify learns of that only afterwards.
    read = [problems[name] for name in (borrowed(manifest) if manifest.exists() else problems) if name in problems] if problems else []
    if read:
        stop(f"backup {label}: {read[0]}", BROKEN)
    logs = archives(stanza, label)
    bad = set(re.findall(rf"INFO: .*(?:{'|'.join(map(re.escape, logs))})/[0-9A-F]{{16}}/([0-9A-F]{{24}})-", said))
    if broken := [entry for entry in needed(stanza, label, folder, kind, at) if entry in bad]:
        hole(backup, broken[0], "not as it was stored")
    counts = [re.search(rf"archiveId: {re.escape(log)}, total WAL checked: (\d+), total valid WAL: (\d+)", said) for log in logs]
    twice = sum(len(stored) for stored in segments(folder).values() if len(stored) > 1)
    # What is wrong and has no name could be anything.
    if None in counts or sum(int(count[1]) - int(count[2]) for count in counts) > len(bad) + twice:
        stop("the archive of the log holds files that are not as they were stored", BROKEN)
    files = re.search(rf"backup: {re.escape(label)}, status: valid, total files checked: (\d+)", said)
    return f"files={files[1]}"


def main(command, *arguments):
    stanza = read()
    if command == "facts":
        print("\n".join(f"{key}={value}" for key, value in facts(stanza, *arguments).items()))
    elif command == "keep":
        print(keep(stanza, *map(int, arguments)))
    elif command == "archives":
        print("\n".join(archives(stanza, *arguments)))
    else:
        print({"point": point, "whole": whole, "log": paths}[command](stanza, *arguments))


main(*sys.argv[1:])
