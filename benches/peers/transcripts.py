#!/usr/bin/env python3
"""Compares `runledger import` with ccusage, on generated sessions. Most sessions have one of the known traps.

    transcripts.py generate HOME all|agreed          writes 200 sessions of Claude Code and Codex with their forks and
                                                     sub-agents below HOME, and prints what they used. `agreed` leaves
                                                     out the traps that ccusage 20.0.24 does not handle: see DISPUTED
    transcripts.py ours HOME RUNLEDGER LEDGER        imports them, and prints the usage per day and model
    transcripts.py theirs HOME CCUSAGE               prints the usage that ccusage reports (`npm install ccusage@20`)
    transcripts.py compare OURS THEIRS               prints the differences

Each line of the output is `day model input output cache_write cache_read usd`. Input excludes cached input. The
generator has no prices, so its amounts are 0 and are not compared.
"""

import json
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal

CLAUDE = ["claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"]
CODEX = ["gpt-5", "gpt-5-codex"]


# The traps of Claude Code and of Codex that ccusage does not handle, and why its count is wrong:
# - 2, calls without the id of a request: ccusage counts each line of a message as a call. The lines repeat one usage.
# - 9, `"speed": null` in a usage: ccusage leaves out the call.
# - 4 of Codex, a fork whose parent is gone: if the parent's history has only one call, ccusage counts this call.
DISPUTED = {"claude": {2, 9}, "codex": {4}}


class Maker:
    def __init__(self, home, seed):
        self.home, self.random, self.number, self.rows = home, random.Random(seed), 0, {}

    def id(self, prefix):
        self.number += 1
        return f"{prefix}{self.number:06d}{self.random.randrange(10**6):06d}"

    def session(self):
        return "%08x-0000-4000-8000-%012x" % (self.random.randrange(2**32), self.random.randrange(2**48))

    def write(self, path, lines, tail=""):
        path = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
            file.write(tail)
        if lines and lines[-1].get("timestamp"):
            last = datetime.fromisoformat(lines[-1]["timestamp"].replace("Z", "+00:00")).timestamp()
            os.utime(path, (last, last))

    def start(self):
        return datetime(2026, 2, 1, tzinfo=timezone.utc) + timedelta(seconds=self.random.randrange(20 * 86400))


def at(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def claude_usage(maker, **more):
    r = maker.random
    write = r.randrange(20000)
    hour = r.choice([0, write, write // 2])
    return {
        "input_tokens": r.randrange(50), "cache_creation_input_tokens": write,
        "cache_read_input_tokens": r.randrange(100000),
        "cache_creation": {"ephemeral_5m_input_tokens": write - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": 1 + r.randrange(2000), "service_tier": "standard", **more,
    }


class Claude:
    def __init__(self, maker, session=None, agent=None):
        self.maker, self.session, self.agent = maker, session or maker.session(), agent
        self.time, self.lines, self.model = maker.start(), [], maker.random.choice(CLAUDE)
        self.used = []

    def envelope(self, kind, **more):
        self.time += timedelta(milliseconds=1000 + self.maker.random.randrange(40000))
        line = {"type": kind, "sessionId": self.session, "timestamp": at(self.time), "uuid": self.maker.id("u-"),
                "isSidechain": self.agent is not None, "version": "2.1.0", "cwd": "/home/user/project", **more}
        if self.agent:
            line["agentId"] = self.agent
        self.lines.append(line)
        return line

    def prompt(self):
        self.envelope("user", message={"role": "user", "content": "do it"})

    def uses(self, usage, model, start):
        counts = [usage[key] for key in ("input_tokens", "output_tokens", "cache_creation_input_tokens",
                                         "cache_read_input_tokens")]
        self.used.append((at(start)[:10], model, counts))

    def call(self, tool=False, request=True, message=None, blocks=2, usage=None, repeats=False, **more):
        message = message or self.maker.id("msg_")
        usage = usage or claude_usage(self.maker)
        request = {"requestId": self.maker.id("req_")} if request is True else request or {}
        tool_id = self.maker.id("toolu_")
        for block in range(blocks):
            last = block == blocks - 1
            now = dict(usage, output_tokens=usage["output_tokens"] if last else 1)
            content = {"type": "tool_use", "id": tool_id, "name": "Bash", "input": {}} if tool and last else \
                {"type": "text", "text": "done"}
            reason = ("tool_use" if tool else "end_turn") if last else None
            self.envelope("assistant", message={"id": message, "role": "assistant", "model": self.model,
                          "content": [content], "stop_reason": reason, "usage": now}, **request, **more)
        if not repeats:
            self.uses(usage, self.model, self.time)
        if tool:
            self.envelope("user", message={"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": tool_id, "content": "ok"}]})
        return message

    def turn(self, calls):
        self.prompt()
        return [self.call(tool=number + 1 < calls) for number in range(calls)]

    def path(self):
        base = f".claude/projects/-home-user-project/{self.session}"
        return f"{base}/subagents/agent-{self.agent}.jsonl" if self.agent else f"{base}.jsonl"

    def save(self, tail=""):
        self.maker.write(self.path(), self.lines, tail)
        for day, model, counts in self.used:
            add(self.maker.rows, (day, model), counts, 0)


def claude_session(maker, number):
    r = maker.random
    one = Claude(maker)
    for _ in range(1 + r.randrange(3)):
        one.turn(1 + r.randrange(4))
    tail = ""
    trap = number % 14
    if trap == 1:  # a fork repeats the lines under another session, and goes on
        fork = Claude(maker)
        fork.lines = [dict(line, sessionId=fork.session) for line in one.lines]
        fork.time = one.time + timedelta(hours=2)
        fork.turn(2)
        fork.save()
    elif trap == 2:  # calls without the id of a request
        one.prompt()
        for _ in range(3):
            one.call(request=False)
    elif trap == 3:  # a gateway reuses ids in other sessions
        one.prompt()
        one.call(request=False, message="chatcmpl-1", blocks=1)
        other = Claude(maker)
        other.prompt()
        other.call(request=False, message="chatcmpl-1", blocks=1)
        other.save()
    elif trap == 4:  # a sub-agent with its own calls
        agent = Claude(maker, one.session, "a1b2c3")
        agent.time = one.time
        agent.turn(3)
        agent.save()
    elif trap == 5:  # a sub-agent that repeats a message of its session under another request
        one.prompt()
        usage = claude_usage(maker)
        message = one.call(usage=usage)
        agent = Claude(maker, one.session, "b1b2c3")
        agent.model, agent.time = one.model, one.time
        agent.prompt()
        agent.call(message=message, usage=usage, repeats=True)
        agent.turn(1)
        agent.save()
    elif trap == 6:  # advisor iterations
        one.prompt()
        advisor = {"type": "advisor_message", "model": CLAUDE[0], **claude_usage(maker)}
        own = claude_usage(maker)
        one.call(usage=dict(own, iterations=[{"type": "message", **own}, advisor]))
        one.uses(advisor, CLAUDE[0], one.time)
    elif trap == 7:  # a message that Claude Code made itself
        one.prompt()
        one.envelope("assistant", isApiErrorMessage=True, message={
            "id": maker.session(), "role": "assistant", "model": "<synthetic>", "stop_reason": "stop_sequence",
            "content": [{"type": "text", "text": "API Error"}], "usage": {"input_tokens": 0, "output_tokens": 0}})
    elif trap == 8:  # a torn last line
        tail = json.dumps(one.lines[-1])[:80]
    elif trap == 9:  # null fields
        one.prompt()
        one.call(usage=dict(claude_usage(maker), service_tier=None, server_tool_use=None, speed=None))
    elif trap == 10:  # a turn over midnight UTC
        one.time = one.time.replace(hour=23, minute=59, second=30)
        one.turn(6)
    elif trap == 11:  # the larger usage comes first
        one.prompt()
        one.call()
        line = json.loads(json.dumps(one.lines[-1]))
        line["message"]["usage"]["output_tokens"] = 0
        one.lines.append(line)
    elif trap == 12:  # unknown kinds of lines
        one.envelope("brand-new-kind", payload={"a": [1, 2, 3]})
    elif trap == 13:  # a usage without the split by time
        one.prompt()
        usage = claude_usage(maker)
        del usage["cache_creation"]
        one.call(usage=usage)
    one.save(tail)


class Codex:
    FIELDS = ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens"]

    def __init__(self, maker, fork=None, more=None):
        self.maker, self.session = maker, maker.session()
        self.time, self.lines, self.total = maker.start(), [], dict.fromkeys(self.FIELDS, 0)
        self.used = []
        meta = {"id": self.session, "timestamp": at(self.time), "cwd": "/home/user/project", "originator": "codex_cli",
                "cli_version": "0.60.0", "source": "cli", **(more or {})}
        if fork:
            meta["forked_from_id"] = fork
        self.first = self.time
        self.line("session_meta", meta)
        self.context(maker.random.choice(CODEX))

    def line(self, kind, payload, wait=None):
        wait = 1500 + self.maker.random.randrange(20000) if wait is None else wait
        self.time += timedelta(milliseconds=wait)
        self.lines.append({"timestamp": at(self.time), "type": kind, "payload": payload})

    def context(self, model):
        self.model = model
        self.line("turn_context", {"cwd": "/home/user/project", "model": model}, 5)

    def prompt(self):
        self.line("event_msg", {"type": "task_started", "turn_id": self.maker.id("t-")})
        self.line("event_msg", {"type": "user_message", "message": "do it"})

    def count(self, last=True, info=True, moved=True):
        r = self.maker.random
        if moved:
            usage = dict(zip(self.FIELDS, (1000 + r.randrange(50000), r.randrange(1000), 10 + r.randrange(3000), r.randrange(10), 0)))
            usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
            self.total = {key: self.total[key] + usage[key] for key in self.FIELDS}
            self.last = usage
        body = {"total_token_usage": dict(self.total)}
        if last:
            body["last_token_usage"] = dict(self.last)
        self.line("event_msg", {"type": "token_count", "info": body if info else None, "rate_limits": None})
        if moved:
            cached = self.last["cached_input_tokens"]
            counts = [self.last["input_tokens"] - cached, self.last["output_tokens"], 0, cached]
            self.used.append((at(self.time)[:10], self.model, counts))

    def turn(self, calls):
        self.prompt()
        for _ in range(calls):
            call = self.maker.id("call_")
            self.line("response_item", {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": call})
            self.line("response_item", {"type": "function_call_output", "call_id": call, "output": "ok"})
            self.count()
        self.line("event_msg", {"type": "task_complete", "last_agent_message": "done"})

    def save(self, folder="sessions"):
        day = self.first.strftime("%Y/%m/%d") + "/" if folder == "sessions" else ""
        name = f"rollout-{self.first.strftime('%Y-%m-%dT%H-%M-%S')}-{self.session}.jsonl"
        self.maker.write(f".codex/{folder}/{day}{name}", self.lines)
        for day, model, counts in self.used if folder == "sessions" else []:
            add(self.maker.rows, (day, model), counts, 0)


def codex_session(maker, number):
    one = Codex(maker)
    one.turn(1 + maker.random.randrange(4))
    trap = number % 8
    if trap == 1:  # an event whose total did not move
        one.count(moved=False)
        one.count()
    elif trap == 2:  # the total drops
        one.total = dict.fromkeys(Codex.FIELDS, 0)
        one.turn(2)
    elif trap in (3, 4):  # a fork repeats the history at once; the parent may be gone
        fork = Codex(maker, fork=one.session)
        fork.model, fork.total = one.model, dict(one.total)
        fork.time = fork.first = max(fork.time, one.time + timedelta(hours=1))
        fork.lines[0]["timestamp"] = fork.lines[1]["timestamp"] = at(fork.time)
        fork.lines[1]["payload"]["model"] = one.model
        for line in one.lines[1:]:
            fork.line(line["type"], line["payload"], 1)
        fork.turn(2)
        fork.save()
        if trap == 4:
            return
    elif trap == 5:  # no usage of the last call, and an event without information
        one.count(last=False)
        one.count(info=False, moved=False)
    elif trap == 6:  # a copy in the archive
        one.save("archived_sessions")
    elif trap == 7:  # another model
        one.context(CODEX[0] if one.model == CODEX[1] else CODEX[1])
        one.turn(2)
    one.save()


def generate(home, which="all", sessions=200, seed=7):
    maker = Maker(home, int(seed))
    for number in range(int(sessions)):
        make, of, trap = (codex_session, "codex", number // 3 % 8) if number % 3 == 2 else (claude_session, "claude", number % 14)
        make(maker, 0 if which == "agreed" and trap in DISPUTED[of] else trap)
    show(maker.rows)


def add(rows, key, counts, usd):
    row = rows.setdefault(key, [0, 0, 0, 0, Decimal(0)])
    for index, count in enumerate(counts):
        row[index] += count or 0
    row[4] += Decimal(str(usd or 0))


def show(rows):
    for (day, model), row in sorted(rows.items()):
        print(day, model, *row[:4], f"{row[4]:.6f}")


def ours(home, runledger, ledger):
    env = dict(os.environ, HOME=home, XDG_STATE_HOME=os.path.join(home, "state"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        env.pop(name, None)
    print(subprocess.run([runledger, "import", "--ledger", ledger], env=env, check=True, capture_output=True, text=True).stdout,
          file=sys.stderr)
    rows = {}
    for line in open(ledger):
        record = json.loads(line)
        for call in record["trace"]["llm_calls"]:
            read, write = call.get("cache_read", 0), call.get("cache_write", 0)
            single = len(record["trace"]["llm_calls"]) == 1
            usd = call.get("cost_usd", record["cost_usd"] if single else None)
            counts = [call["tokens_input"] - read - write, call["tokens_output"], write, read]
            add(rows, (record["timestamp_start"][:10], call["model_name"] or "unknown"), counts, usd)
    show(rows)


def theirs(home, ccusage):
    env = dict(os.environ, HOME=home, TZ="UTC")
    text = subprocess.run([ccusage, "daily", "--offline", "--json", "--timezone", "UTC"], env=env, check=True,
                          capture_output=True, text=True).stdout
    rows = {}
    for day in json.loads(text)["daily"]:
        for of in day["modelBreakdowns"]:
            counts = [of["inputTokens"], of["outputTokens"], of["cacheCreationTokens"], of["cacheReadTokens"]]
            add(rows, (day["period"], of["modelName"]), counts, of["cost"])
    show(rows)


def compare(ours, theirs):
    rows = [dict((tuple(line.split()[:2]), line.split()[2:]) for line in open(path)) for path in (ours, theirs)]
    # Floating-point amounts differ in their last digits.
    has_usd = all(any(row[4] != "0.000000" for row in of.values()) for of in rows)
    for row in (row for of in rows for row in of.values()):
        row[4:] = [f"{Decimal(row[4]):.4f}"] if has_usd else []
    different = [key for key in sorted(set(rows[0]) | set(rows[1])) if rows[0].get(key) != rows[1].get(key)]
    for key in different:
        print(*key, "ours", rows[0].get(key), "theirs", rows[1].get(key))
    print(f"{len(set(rows[0]) | set(rows[1]))} rows, {len(different)} differ")


if __name__ == "__main__":
    {"generate": generate, "ours": ours, "theirs": theirs, "compare": compare}[sys.argv[1]](*sys.argv[2:])
