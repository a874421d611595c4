"""Mutants of the source, each with the check that must fail; a test keeps them in step with the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MODEL: Final = ("-m", "pytest", "-q", "-x", "tests/model/test_enforcer.py")
APPROVALS: Final = ("-m", "pytest", "-q", "-x", "tests/model/test_approvals.py")
BYPASS: Final = ("-m", "pytest", "-q", "-x", "tests/bypass")
DIFFERENTIAL: Final = ("-m", "pytest", "-q", "-x", "tests/model/test_differential.py")
FUZZ: Final = ("-m", "pytest", "-q", "-x", "tests/fuzz")
SOAK: Final = ("-m", "tests.soak.saturate")
CANCELLATION: Final = ("-m", "pytest", "-q", "-x", "tests/faults/test_cancellations.py")
#: what needs two who meet at one moment is not left to chance
TURNS: Final = ("-m", "pytest", "-q", "-x", "tests/runtime/test_state_repository.py")
UNDONE: Final = ("-m", "pytest", "-q", "-x", "tests/runtime/test_approval_recheck.py")
TOLD_TWICE: Final = ("-m", "pytest", "-q", "-x", "tests/attacks/test_attacks.py", "-k", "second_approver")
BOOKED: Final = ("-m", "pytest", "-q", "-x", "tests/evaluation/test_booking.py")
FORGOTTEN: Final = ("-m", "pytest", "-q", "-x", "tests/runtime/test_decision_cache.py", "-k", "forgotten")
STORE: Final = ("-m", "pytest", "-q", "-x", "tests/stores/test_sqlite_worker.py", "-k", "leaves")

SOURCE: Final = "src/authguard/"
WALK, JUDGE, ATTEMPTS, TRANSACTIONS, APPROVAL, BOOKING, OPERATIONS = (
    f"{SOURCE}evaluation/{name}.py"
    for name in (*("driver", "decision_point", "attempts", "transactions", "approval", "booking", "operation_index"),)
)
COMMIT, DECISION_CACHE, CHANGES, DECIDING, REPORTS = (
    f"{SOURCE}runtime/{name}.py" for name in ("commit", "decision_cache", "state_repository", "approvals", "reports")
)
MIDDLEWARE, EVIDENCE = (f"{SOURCE}asgi/{name}.py" for name in ("middleware", "evidence"))
LIMITS = f"{SOURCE}core/limits.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    Attributes:
        words: what is wrong.
        check: arguments of the interpreter; it has to fail.
        file: where.
        right: as it stands there, once.
        wrong: in its place.
    """

    words: str
    check: tuple[str, ...]
    file: str
    right: str
    wrong: str


MUTANTS: Final = (
    # the model
    Mutant(
        "a refreshed token revives a session that ended",
        MODEL,
        WALK,
        "    return conditions.find_authentication_time(principal, policy.agents)\n",
        "    return principal.issued_at\n",
    ),
    Mutant(
        "what was said of a person in one session is not held against them in another",
        MODEL,
        ATTEMPTS,
        "VERIFICATIONS, _window(evaluation), evaluation.now).count > 0",
        "VERIFICATIONS, _window(evaluation), evaluation.now).count > 99",
    ),
    Mutant(
        "a limit is reserved after the app ran, and not before",
        MODEL,
        JUDGE,
        "        if admits and (measured.spends or policy.flag_setters):\n            _reserve(",
        "        if admits and not running and (measured.spends or policy.flag_setters):\n            _reserve(",
    ),
    Mutant(
        "`not_before` of an account is ignored",
        MODEL,
        WALK,
        "    if account.not_before and _is_cut_off(",
        "    if account.not_before < 0 and _is_cut_off(",
    ),
    Mutant(
        "a stale claim lifts what a newer one said",
        MODEL,
        WALK,
        "    if last is None or report.at > last.at:\n        return True",
        "    if last is None or report.at != last.at:\n        return True",
    ),
    Mutant(
        "every timer counts from when its state began",
        MODEL,
        f"{SOURCE}core/timers.py",
        '            moment = entered if timer.since == "entered" else timer.since',
        "            moment = entered",
    ),
    Mutant(
        "what was remembered is good beyond the next timer",
        MODEL,
        f"{SOURCE}runtime/decision_cache.py",
        "    until, _ = policy.timers.next_due(snapshot)",
        '    until = float("inf")',
    ),
    Mutant(
        "a race that was lost is not withdrawn",
        MODEL,
        COMMIT,
        "            if not saved:\n                self._journal.record_withdrawal((*causes, record), facts.now)\n",
        "            if not saved:\n",
    ),
    Mutant(
        "an agent's traffic keeps a session awake",
        MODEL,
        JUDGE,
        'apply_credential(evaluation, principal, proof, acts=acting == "subject")',
        "apply_credential(evaluation, principal, proof, acts=True)",
    ),
    # the model of what is held
    Mutant(
        "one approver counts as often as they say yes",
        APPROVALS,
        APPROVAL,
        "        person, found = _person(one), find_places(",
        "        person, found = b'%d' % len(fits), find_places(",
    ),
    Mutant(
        "whoever asked may approve it",
        APPROVALS,
        DECIDING,
        "        involved = {record.account, *record.actors}\n",
        "        involved = {*record.actors}\n",
    ),
    Mutant(
        "an approval holds though its approver lost the role",
        APPROVALS,
        APPROVAL,
        "for role in given.roles if is_valid and role in account.roles)",
        "for role in given.roles if is_valid)",
    ),
    Mutant(
        "an older credential brings a lost role back",
        APPROVALS,
        WALK,
        "    if issued > account.roles_at or (issued == account.roles_at and roles != account.roles):\n",
        "    if roles != account.roles and issued >= account.roles_at:\n",
    ),
    Mutant(
        "what was approved in one session runs in another",
        APPROVALS,
        TRANSACTIONS,
        'f"{asked}\\n{session.hex()}\\n{policy}"',
        'f"{asked}\\n{policy}"',
    ),
    Mutant(
        "a changed byte is passed over",
        APPROVALS,
        TRANSACTIONS,
        "    if not record.digest or not binding.digest or record.digest == binding.digest:\n",
        "    if not record.digest or not binding.digest or len(record.digest) == len(binding.digest):\n",
    ),
    Mutant(
        "whoever knows the id of a transaction has it run",
        APPROVALS,
        TRANSACTIONS,
        "    return not record.version or record.account != principal.account_key",
        "    return not record.version",
    ),
    Mutant(
        "what failed is still counted against the budget",
        APPROVALS,
        BOOKING,
        '"altered", "failed"})',
        '"altered"})',
    ),
    Mutant(
        "what was approved and denied stays booked",
        APPROVALS,
        BOOKING,
        'frozenset({"denied", "lapsed"',
        'frozenset({"lapsed"',
    ),
    Mutant(
        "what is approved is not booked",
        APPROVALS,
        APPROVAL,
        "        booking.book(evaluation, transaction, over)",
        "        booking.book",
    ),
    Mutant(
        "a booking counts no longer than its window",
        APPROVALS,
        LIMITS,
        "return now < entry.expires if entry.expires else now - entry.at < per",
        "return now - entry.at < per",
    ),
    Mutant(
        "who agreed within a limit has agreed to go over it",
        TOLD_TWICE,
        APPROVAL,
        "one for one in earlier if over <= {*one.over, *record.tripped}}",
        "one for one in earlier}",
    ),
    Mutant(
        "what is not booked any more runs",
        BOOKED,
        JUDGE,
        "    if booking.is_unbooked(evaluation, facts.binding.transaction):",
        "    if not booking.is_unbooked:",
    ),
    Mutant(
        "an approval is good for ever",
        APPROVALS,
        f"{SOURCE}policy/standard.yaml",
        "  - {event: transaction.lapsed,  after: 5m,  since: entered, states: [approved]}",
        "  - {event: transaction.lapsed,  after: 500d,  since: entered, states: [approved]}",
    ),
    Mutant(
        "who comes second to the store is told that they were first",
        APPROVALS,
        COMMIT,
        "saved = after is before.snapshot or await self._repository.save(facts.keys, before.snapshot, after)\n",
        "saved = await self._repository.save(facts.keys, before.snapshot, after) or True\n",
    ),
    Mutant(
        "who approved is not looked at again when what they approved is to begin",
        UNDONE,
        DECIDING,
        "            undone = await self.lacks_quorum(record, verdict.decision.required)\n",
        "            undone = False\n",
    ),
    # the differential
    Mutant(
        "a wildcard line wins over a specific one",
        DIFFERENTIAL,
        f"{SOURCE}core/machine.py",
        "        edge = machines[machine].table.get((source, trigger))",
        "        edge = machines[machine].table.get((machines[machine].spec.initial, trigger))",
    ),
    Mutant(
        "the table's memo tells two cells apart by less than all they hold",
        DIFFERENTIAL,
        f"{SOURCE}core/decision_table.py",
        "        for rule in self.rules:\n            if (found and",
        "        for rule in reversed(self.rules):\n            if (found and",
    ),
    # the fuzz
    Mutant(
        "a method override header is honoured",
        FUZZ,
        MIDDLEWARE,
        '        method, path = scope["method"], self._resolver.path(scope)\n',
        '        method, path = scope["method"], self._resolver.path(scope)\n'
        "        for name, value in scope['headers']:\n"
        "            if name == b'x-http-method-override':\n"
        "                method = value.decode('latin-1')\n",
    ),
    Mutant(
        "the path is decoded twice",
        FUZZ,
        OPERATIONS,
        "    return strip_root(path, root) if root else path\n",
        "    from urllib.parse import unquote\n\n    return strip_root(unquote(path), root)\n",
    ),
    Mutant(
        "a `HEAD` is not taken for a `GET`",
        FUZZ,
        OPERATIONS,
        'if not wanted or wanted == method or (wanted == "GET" and method == "HEAD"):',
        "if not wanted or wanted == method:",
    ),
    Mutant(
        "of two credentials the first is taken",
        FUZZ,
        EVIDENCE,
        "            return Reason.CREDENTIAL_AMBIGUOUS\n",
        "            continue\n",
    ),
    Mutant(
        "a trailing slash is passed over",
        FUZZ,
        OPERATIONS,
        '        segments = path.split("/")\n',
        '        segments = path.rstrip("/").split("/")\n',
    ),
    Mutant(
        "a method in small letters is a method",
        FUZZ,
        OPERATIONS,
        're.compile(r"[A-Z-]{1,32}")',
        're.compile(r"[A-Za-z-]{1,32}")',
    ),
    # other ways of saying it
    Mutant(
        "what changes the method reaches the app",
        BYPASS,
        EVIDENCE,
        "    return name.startswith(PREFIX) or name in METHOD_OVERRIDE_HEADERS\n",
        "    return name.startswith(PREFIX)\n",
    ),
    Mutant(
        "a request that no operation names is admitted by its method",
        BYPASS,
        OPERATIONS,
        "if not wanted or wanted == method or",
        'if not wanted or wanted == method or method == "PUT" or',
    ),
    Mutant(
        "an approval is good for any path of its operation",
        BYPASS,
        TRANSACTIONS,
        "        request.method.encode(),\n        target,\n",
        "        request.method.encode(),\n",
    ),
    Mutant(
        "an approval is good for whoever acts for its customer",
        BYPASS,
        TRANSACTIONS,
        '        principal.actor.encode("utf-8", "surrogatepass"),\n',
        "",
    ),
    Mutant(
        "what is foreign is forbidden, and not unknown",
        BYPASS,
        DECIDING,
        "        if record.account != principal.account_key and not self._is_approver(record, principal):\n"
        "            return Reason.TRANSACTION_UNKNOWN\n",
        "        if record.account != principal.account_key and not self._is_approver(record, principal):\n"
        "            return Reason.TRANSACTION_OVER if record.version else Reason.TRANSACTION_UNKNOWN\n",
    ),
    # the soak
    Mutant(
        "a list grows with each request",
        SOAK,
        MIDDLEWARE,
        "        operation = self._resolver.find_exact(scope) or self._find(scope)\n",
        '        scope["app"] = globals().setdefault("SEEN", [])\n'
        '        scope["app"].append({"path": [scope["path"]]})\n'
        "        operation = self._resolver.find_exact(scope) or self._find(scope)\n",
    ),
    Mutant(
        "a task is left behind by some requests",
        SOAK,
        REPORTS,
        "        keys = Keys(verdict.keys.account, verdict.keys.session, ledgers=verdict.keys.ledgers)\n",
        "        keys = Keys(verdict.keys.account, verdict.keys.session, ledgers=verdict.keys.ledgers)\n"
        "        import asyncio\n\n"
        '        globals().setdefault("TASKS", []).append(asyncio.ensure_future(anyio.sleep_forever()))\n',
    ),
    Mutant(
        "a file is left open by some requests",
        SOAK,
        REPORTS,
        "        keys = Keys(verdict.keys.account, verdict.keys.session, ledgers=verdict.keys.ledgers)\n",
        "        keys = Keys(verdict.keys.account, verdict.keys.session, ledgers=verdict.keys.ledgers)\n"
        "        import os\n\n"
        '        os.open("/dev/null", os.O_RDONLY)\n',
    ),
    Mutant(
        "a decision keeps a part of the credential that it was first made for",
        FORGOTTEN,
        DECISION_CACHE,
        "            same = self._decisions[key] = replace(decision, token_scopes=frozenset(decision.scopes))\n",
        "            same = self._decisions[key] = decision\n",
    ),
    # cancellation
    Mutant(
        "a decision whose request was cancelled leaves its transitions standing",
        CANCELLATION,
        COMMIT,
        "        unsaved = failed or self._repository.was_not_committed(facts.keys, before, after)\n",
        "        unsaved = failed\n",
    ),
    Mutant(
        "a cancelled request is not withdrawn",
        CANCELLATION,
        COMMIT,
        "        except BaseException as error:\n",
        "        except Exception as error:\n",
    ),
    Mutant(
        "a person's act whose request was cancelled stands in the log",
        CANCELLATION,
        CHANGES,
        "            if unsaved:\n                self._withdraw((act,)",
        "            if False:\n                self._withdraw((act,)",
    ),
    Mutant(
        "a turn is not given back by who leaves",
        TURNS,
        CHANGES,
        "        finally:\n            lock.release()\n",
        "        except Exception:\n            lock.release()\n            raise\n",
    ),
    Mutant(
        "a settlement ends where its task is cancelled",
        CANCELLATION,
        REPORTS,
        "            for _ in range(MAX_CANCELLATIONS):\n",
        "            for _ in range(1):\n",
    ),
    Mutant(
        "a write that was given up is made all the same",
        STORE,
        f"{SOURCE}stores/sqlite_write_queue.py",
        "            write.is_claimed = is_kept = answer is not False and (write.is_claimed or write.decide())\n",
        "            write.is_claimed = is_kept = answer is not False and (write.decide() or True)\n",
    ),
)
