"""Simulator of a policy: keeps the records of one scenario and a clock, and lets the driver decide its requests.

It is pure, and has no rules of its own: requests go through `authguard.evaluation.decision_point.evaluate`, and events
through the functions that the enforcer calls (`authguard.policy.testing.events`).
"""

from __future__ import annotations

from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.record_keys import identity_keys
from authguard.core.request import Evidence, NotProven, Operation, Principal, Proven
from authguard.core.snapshot import (
    Keys,
    Snapshot,
    TransactionRecord,
    blank,
)
from authguard.core.tiers import EXCEEDED, WITHIN
from authguard.errors import MachineFaultError
from authguard.evaluation import transactions
from authguard.evaluation.account_status import read_statements
from authguard.evaluation.decision import Decision, NeedsBody, Verdict
from authguard.evaluation.decision_point import evaluate
from authguard.evaluation.driver import withdraw_if_signed_out
from authguard.evaluation.request import NO_CREDENTIAL, AccessRequest, Body, RequestFacts, add_ledgers
from authguard.policy.testing import facts as synthetic
from authguard.policy.testing import happening
from authguard.policy.testing.deployment import STATUS, Deployment, find_sources, request_line
from authguard.policy.testing.difference import explain_difference, is_derived
from authguard.policy.testing.facts import SignIn
from authguard.policy.testing.given import TICK_S, approve_as_held, build_given, find_due, stay_present
from authguard.policy.testing.records import CountedIds, PlainCipher, Records, states_of
from authguard.policy.testing.request import REFUSED, ImpossibleError, ScenarioDecision, ScenarioRequest
from authguard.policy.testing.token import SESSION, SUBJECT, TokenSpec, find_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential

#: start of every scenario, epoch seconds UTC; any time but 0, which means "never"
START_TIME: Final = 1_000_000_000.0
#: timers that may fall due before the one that is waited for
MAX_WAITS: Final = 32
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
#: body of a request without one
NO_BODY: Final = Body(b"")
#: id of a transaction that no request has named yet
UNNAMED: Final = "unnamed"


class Simulator:
    """The records, the clock and the last sign-ins of one scenario.

    Attributes:
        deployment: that it runs on.
        policy: of the deployment.
        records: so far.
        now: epoch seconds UTC.
        ids: of transactions and attempts.
        cipher: of stored requests.
        principal: of the last proven request of the scenario's session, which its events concern; ``None`` before.
        channel: of that request.
        transaction: id of the transaction that the scenario is about; empty for none.
        operations: transaction -> the operation that it runs.
    """

    def __init__(
        self,
        deployment: Deployment,
        given: Mapping[str, str],
        *,
        now: float = START_TIME,
        keys: Keys | None = None,
        supposes: bool = False,
        is_dated: bool = True,
    ) -> None:
        """Start in the given states, with every moment (entered, seen, signed in, reported) set to now.

        Args:
            deployment: to run on.
            given: machine -> state.
            now: epoch seconds UTC.
            keys: of the customer's account and session; ``None`` for those of the customer of a scenario.
            supposes: whether each condition of the policy's own that is not typed has its first value.
            is_dated: whether clock conditions follow from the time; else they are supposed too.
        """
        self.deployment: Final = deployment
        self.policy: Final[Policy] = deployment.policy if is_dated else deployment.timeless
        self._supposes: Final = supposes
        self.records: Final = Records(self.policy)
        self.now = now
        self.ids: Final = CountedIds()
        self.cipher: Final = PlainCipher()
        self.principal: Principal | None = None
        self.channel = ""
        self.transaction = ""
        self.operations: dict[str, Operation] = {}
        self._signed_in: dict[bytes, float] = {}
        self._undated: set[bytes] = set()
        self._tokens = 0
        self._people = 0
        self._proves_anywhere = supposes and self.policy.channels.declared
        #: the last admitted request: its operation, the keys of its records, and whether it runs a transaction
        self._admitted: tuple[Operation, Keys, bool] | None = None
        self.keys = keys or self._scenario_keys()
        after = build_given(self.policy, given, self.keys, self.now)
        if after.session.signed_in:
            self._signed_in[self.keys.session] = self.now
        state = after.transaction.state
        runs_next = self.policy.machines["transaction"].table[state, "started"].moves
        #: whether the given transaction waits for nobody, but for those who have approved it
        self._gives_approval = bool(after.transaction.version) and runs_next
        if after.transaction.version:
            self.transaction = UNNAMED
            self.now += TICK_S
        self.suppose(self.all_keys, blank(self.policy.initial), after)

    def set_flags(self, values: Mapping[str, str]) -> None:
        """Store flags as something before left them."""
        for flag in self.policy.flags:
            if flag.name in values:
                happening.change_flag(self, flag, values[flag.name], "given")

    def decide_by_people(self, approvals: Iterable[tuple[str, ...]], *, denies: bool) -> None:
        """Let people approve the transaction, each with some roles, and another one deny it.

        Raises:
            ImpossibleError: nothing waits for them.
        """
        for roles in approvals:
            self.tick()
            self._people += 1
            happening.approve(self, roles, self._people)
        if denies:
            self.tick()
            happening.deny(self)

    def answer(self, status: int) -> bool:
        """Let the app answer the last request; return whether it was admitted."""
        if self._admitted is None:
            return False
        self.tick()
        operation, keys, running = self._admitted
        happening.answer(self, operation, keys, status, running=running)
        self._admitted = None
        return True

    def _scenario_keys(self) -> Keys:
        issuer = next(iter(self.policy.issuers.values()))
        return Keys(*identity_keys(issuer.issuer, SUBJECT, find_client(issuer, TokenSpec()), SESSION))

    def suppose(self, keys: Keys, before: Snapshot, after: Snapshot) -> None:
        """Store records as something before the scenario, or between its steps, left them.

        Args:
            keys: of the records.
            before: as loaded.
            after: as left.
        """
        self.records.save(keys, before, after)

    def source_of(self, state: str) -> str:
        """Return a source that can report an account state, best one that has reported already; empty for none."""
        account = self.records.accounts.get(self.keys.account)
        stored = (account.reports if account else None) or {}
        return min(find_sources(self.policy, state), key=lambda name: name not in stored, default="")

    def states(self) -> dict[str, str]:
        """Return the stored state of every machine."""
        return states_of(self.records.load(self.all_keys))

    @property
    def all_keys(self) -> Keys:
        """The keys of the customer's records, with the transaction that the scenario is about."""
        return replace(self.keys, transaction=self.transaction)

    def advance(self, seconds: float) -> None:
        """Let time pass, and run every timer that falls due.

        Raises:
            MachineFaultError: the timers form a cycle.
        """
        self.now += seconds
        self.tick()
        self.records.change(self.all_keys, self.now, _do_nothing)

    def tick(self) -> None:
        """Let the least time pass, so that what follows is later."""
        self.now += TICK_S

    def wait_for(self, event: str) -> None:
        """Let time pass until a timer sends an event, while the customer stays present and the sources repeat reports.

        Raises:
            ImpossibleError: no timer of the policy sends it in these states.
        """
        for _ in range(MAX_WAITS):
            before = self.records.load(self.all_keys)
            due, moment = find_due(self.policy, before, event)
            if due is None:
                states = self.states()
                machine = event.partition(".")[0]
                raise ImpossibleError(f"no timer of the policy sends `{event}` in the state `{states[machine]}`")
            self.suppose(self.all_keys, before, stay_present(self.policy, before, due - TICK_S, moment))
            evaluation = self.records.change(self.all_keys, max(self.now, due), _do_nothing)
            self.now = evaluation.now
            if event in evaluation.events:
                return
        raise MachineFaultError("the timers do not come to rest; a timer leads back to the state that it counts from")

    def sign_in(self) -> None:
        """Note that the customer signs in now: the next token states it."""
        self.tick()
        self._signed_in[self.keys.session] = self.now
        self._undated.discard(self.keys.session)

    @property
    def has_signed_in(self) -> bool:
        """Whether the customer's session had a sign-in."""
        return self.keys.session in self._signed_in

    def candidates(self, asked: ScenarioRequest | None) -> Iterator[Principal]:
        """Yield the customer as the tokens around an event may prove them: the next, the last, and an undated one."""
        if asked is not None and asked.conditions.get("actor", "subject") == "subject":
            yield from self._prove(asked)
        if self.principal is not None and not self.principal.actor:
            yield self.principal
        strongest = self.policy.assurance.order[-1:]
        token = TokenSpec(acr="".join(strongest))
        yield from self._prove(ScenarioRequest(operation=STATUS.name, token=token))
        if next(iter(self.policy.issuers.values())).evidence != "auth_time":
            yield from self._prove(ScenarioRequest(operation=STATUS.name, token=replace(token, age=-1.0)))

    def _prove(self, asked: ScenarioRequest) -> Iterator[Principal]:
        operation = self.deployment.find_operation(asked)
        if isinstance(operation, Operation):
            credential = self._credential(operation, asked, keep=False)
            if isinstance(credential, Proven):
                yield credential.principal

    def present(self, asked: ScenarioRequest | None = None) -> Decision:
        """Let a token reach the guard with a request of its status, and return the decision.

        Args:
            asked: the request whose token it is; ``None`` for a plain one.
        """
        self.tick()
        wanted = asked or ScenarioRequest(operation=STATUS.name)
        found = self.deployment.find_operation(wanted)
        operation = found if isinstance(found, Operation) else STATUS
        credential = self._credential(operation, wanted)
        if isinstance(credential, NotProven):
            raise ImpossibleError(f"the token is not accepted: {credential.reason.code}")
        request = AccessRequest(operation=STATUS)
        decided = self.decide(request, credential, wanted)
        if isinstance(decided, Reason):
            raise ImpossibleError(f"the token is refused: {decided.code}")
        return decided

    def _credential(self, operation: Operation, asked: ScenarioRequest, *, keep: bool = True) -> Credential:
        """Return the credential of a request; keep the sign-in that it states for the next ones."""
        self._tokens += 1
        spec = asked.token or TokenSpec()
        issuer = synthetic.pick_issuer(self.policy, operation, asked)
        key = identity_keys(issuer.issuer, spec.subject, find_client(issuer, spec), spec.session)[1]
        sign_in = SignIn(
            now=self.now, at=self._signed_in.get(key, 0.0), number=self._tokens, is_undated=key in self._undated
        )
        found = synthetic.build_credential(self.deployment, operation, asked, sign_in)
        if isinstance(found, Proven) and keep:
            if at := found.principal.auth_time:  # its next tokens state a sign-in too
                self._undated.discard(key)
                self._signed_in[key] = at if sign_in.is_undated else max(at, sign_in.at)
            else:
                self._undated.add(key)
                self._signed_in[key] = sign_in.at or self.now
        return found

    def ask(self, asked: ScenarioRequest) -> ScenarioDecision:
        """Decide a request by the driver, and keep the records as it leaves them."""
        self.tick()
        operation = self.deployment.find_operation(asked)
        if isinstance(operation, Reason):
            return ScenarioDecision(outcome=REFUSED, reason=operation.code, states=self.states())
        self.set_flags(asked.flags)
        if asked.amount and not operation.has_amount:
            raise ImpossibleError(f"`amount: {asked.amount}` cannot come about: `{operation.name}` has no amount")
        credential: Credential = NO_CREDENTIAL
        if operation.risk != "public":  # the credential of a public operation is not checked
            credential = self._credential(operation, asked)
        method, target = request_line(operation, asked)
        body = synthetic.build_body(operation, asked, target)
        request = AccessRequest(operation=operation, method=method, evidence=Evidence(idempotency=asked.idempotency))
        decided = self.decide(request, credential, asked, body)
        if isinstance(decided, Reason):
            return ScenarioDecision(outcome=REFUSED, reason=decided.code, states=self.states())
        return self._answer(asked, operation, credential, decided)

    def decide(
        self, request: AccessRequest, credential: Credential, asked: ScenarioRequest, body: Body = NO_BODY
    ) -> Decision | Reason:
        """Collect the facts of a request, decide it as the enforcer does, and keep the records as it leaves them.

        Args:
            request: with its operation.
            credential: as its check found it.
            asked: what the scenario types of it.
            body: read if the operation's decision depends on it.
        """
        facts = self._facts(request.operation, credential, asked)
        if asked.is_sent:
            facts = replace(facts, brought=asked.brought)
        proven = facts.credential
        if isinstance(proven, Proven) and request.operation.reads_body:
            facts = self._bind(request, facts, proven, asked, body)
        decided = self._evaluate(request, facts, asked)
        if isinstance(decided, NeedsBody) and isinstance(proven, Proven):
            facts = self._bind(request, facts, proven, asked, body)
            decided = self._evaluate(request, facts, asked)
        if isinstance(decided, NeedsBody):
            raise MachineFaultError("the evaluation requests a body that was already read")
        return decided

    def _facts(self, operation: Operation, credential: Credential, asked: ScenarioRequest) -> RequestFacts:
        if not isinstance(credential, Proven):
            channel = synthetic.pick_channel(self.policy, asked, "")
            return RequestFacts(now=self.now, credential=credential, channel=channel)
        principal = credential.principal
        keys = Keys(principal.account_key, principal.session_key)
        stored = self.records.load(keys)
        if self._proves_anywhere and stored.session.channel and asked.channel:
            # the identity that a scenario only gives was proved where its first request comes from
            proved = synthetic.pick_proof_channel(self.policy, asked)
            after = replace(stored, session=replace(stored.session, channel=proved))
            self.suppose(keys, stored, after)
            stored = self.records.load(keys)
        self._proves_anywhere = False
        channel = synthetic.pick_channel(self.policy, asked, stored.session.channel)
        if (
            asked.conditions.get("channel_change") == "switched"
            and stored.session.version
            and not stored.session.channel
        ):
            home = next(iter(self.policy.channels.trusts), "")  # identity was proved there before
            self.suppose(keys, stored, replace(stored, session=replace(stored.session, channel=home)))
        if asked.conditions.get("actor") == synthetic.REPRESENTATIVE and principal.actor:
            account = synthetic.name_representative(self.policy, stored.account, principal, operation)
            self.suppose(keys, stored, replace(stored, account=account))
        reports = read_statements(self.policy, principal).reports
        reported = stored.account.reports or {}
        silent = any(not source.claim and source.name not in reported for source in self.policy.accounts)
        if (keys.account, keys.session) == (self.keys.account, self.keys.session):
            self.principal, self.channel = principal, channel
        return RequestFacts(
            now=self.now,
            credential=credential,
            keys=keys,
            reports=reports,
            unreachable=silent,
            channel=channel,
            brought=synthetic.bring_conditions(self.policy, asked) if self._supposes else NOTHING,
        )

    def _bind(
        self, request: AccessRequest, facts: RequestFacts, proven: Proven, asked: ScenarioRequest, body: Body
    ) -> RequestFacts:
        binding = transactions.bind_request(request, proven.principal, body, self.ids, self.policy.digest, self.cipher)
        keys = replace(facts.keys, transaction=binding.transaction)
        if self.transaction == UNNAMED and binding.transaction not in self.records.transactions:
            self._name_transaction(request.operation, keys, asked)
        return replace(facts, has_body=True, binding=binding, keys=keys)

    def _name_transaction(self, operation: Operation, keys: Keys, asked: ScenarioRequest) -> None:
        """Make the given transaction that of a request: it was held, and perhaps approved, for this request before."""
        given = self.records.transactions.pop(UNNAMED)
        typed = asked.conditions.get("limit", WITHIN)
        over = tuple(one.name for one in operation.limits if typed in {EXCEEDED, one.tier} and given.approvals)
        self.transaction = keys.transaction
        named = replace(given, account=keys.account, session=keys.session, operation=operation.name, over=over)
        stored = self.records.load(keys)
        self.suppose(keys, stored, replace(stored, transaction=named))

    def _evaluate(
        self, request: AccessRequest, facts: RequestFacts, asked: ScenarioRequest
    ) -> Decision | Reason | NeedsBody:
        facts = add_ledgers(self.policy, request, facts)
        if facts.has_body or not request.operation.reads_body:
            self._use_up_calls(request.operation, facts, asked)
        self._approve_given(request, facts)
        stored = self.records.load(facts.keys)
        if stored.session.ended or stored.account.not_before:
            facts = replace(facts, credential=withdraw_if_signed_out(self.policy, facts.credential, stored))
        facts = replace(facts, approvals=stored.transaction.approvals)
        decided = evaluate(self.policy, request, facts, stored, self.cipher)
        if isinstance(decided, Decision) and self._holds_too_many(decided, stored, facts.keys):
            return Reason.TOO_MANY_HELD
        if isinstance(decided, Decision):
            self.records.note(stored, decided.events, decided.transitions)
            self.records.save(facts.keys, stored, decided.snapshot)
            if decided.fallback.kind in ADMITTING:
                self._admitted = (request.operation, facts.keys, decided.running)
            if decided.opened:
                self.transaction = facts.keys.transaction
                self.operations[self.transaction] = request.operation
        return decided

    def _approve_given(self, request: AccessRequest, facts: RequestFacts) -> None:
        """Let as many people have approved a given transaction as the request would wait for, if it were new."""
        stored = self.records.load(facts.keys)
        if not self._gives_approval or not facts.has_body or facts.keys.transaction != self.transaction:
            return
        new = replace(stored, transaction=blank(self.policy.initial).transaction)
        held = evaluate(self.policy, request, facts, new, self.cipher)
        if isinstance(held, Decision) and held.fallback.kind is Outcome.HOLD:
            self._gives_approval = False
            self.suppose(facts.keys, stored, approve_as_held(self.policy, stored, held.snapshot.transaction, facts))

    def _holds_too_many(self, decided: Decision, stored: Snapshot, keys: Keys) -> bool:
        """Return whether a request would hold more new transactions of its account than the policy permits."""
        if decided.fallback.kind is not Outcome.HOLD or stored.transaction.version:
            return False
        state = decided.snapshot.transaction.state
        records = self.records.transactions.values()
        waiting = [one for one in records if one.account == keys.account and one.state == state]
        return len(waiting) >= self.policy.transactions.max_held

    def _use_up_calls(self, operation: Operation, facts: RequestFacts, asked: ScenarioRequest) -> None:
        """Store the earlier calls that a typed value of `limit` needs."""
        limit = synthetic.find_used_up(operation, asked)
        if limit is None or not isinstance(facts.credential, Proven):
            return
        stored = self.records.load(facts.keys)
        calls = synthetic.earlier_calls(limit, self.now)
        after = stored
        if limit.by == "subject":
            after = replace(stored, account=replace(stored.account, ledger=calls))
        elif limit.by == "session":
            after = replace(stored, session=replace(stored.session, ledger=calls))
        else:
            key = dict(facts.keys.ledgers).get(limit.by, b"")
            if key:
                after = replace(stored, ledgers={**stored.ledgers, key: replace(stored.ledgers[key], ledger=calls)})
        self.suppose(facts.keys, stored, after)

    def _answer(
        self, asked: ScenarioRequest, operation: Operation, credential: Credential, decided: Decision
    ) -> ScenarioDecision:
        cell = dict(zip(DIMENSIONS, decided.cell, strict=True))
        derived = {name: cell[name] for name in CONDITIONS} | dict(decided.context)
        # an unproven request has no records, and moves none
        states = self.states() if isinstance(credential, NotProven) else {name: cell[name] for name in MACHINES}
        if not decided.opened:
            states["transaction"] = self.states()["transaction"]
        return ScenarioDecision(
            outcome=decided.fallback.kind.value,
            fallback=decided.fallback.name,
            reason=decided.reason.code,
            rule=self.policy.table.rules[int(decided.rule.partition(":")[0])],
            trace=self.policy.table.trace(decided.cell + decided.extra),
            conditions=derived,
            scopes=decided.scopes,
            states=states,
            retry_after=ceil(decided.fallback.after),
            operation=operation.name,
            cell=decided.cell + decided.extra,
            differences=tuple(
                explain_difference(self.policy, operation, name, value, derived)
                for name, value in asked.conditions.items()
                if name in derived and not is_derived(name, value, derived[name])
            ),
        )

    def verdict(self, principal: Principal) -> Verdict:
        """Return the verdict of an admitted request of a customer, as acts outside a request have it."""
        keys = Keys(principal.account_key, principal.session_key)
        decision = Decision(
            operation=STATUS,
            fallback=self.policy.fallbacks["allow"],
            reason=Reason.DECIDED,
            snapshot=self.records.load(keys),
            channel=self.channel,
        )
        return Verdict(decision=decision, record="", credential=Proven(principal), keys=keys, at=self.now)

    def begin_transaction(self) -> None:
        """Begin the transaction of the next request that has one, unless one is under way."""
        if self.transaction:
            return
        self.transaction = UNNAMED
        record = TransactionRecord(
            state=self.policy.initial["transaction"],
            account=self.keys.account,
            session=self.keys.session,
            created=self.now,
            count=1,
            version=1,
        )
        self.records.transactions[UNNAMED] = record


def _do_nothing(evaluation: object) -> None:
    """Send no event: `Records.change` has already run the timers."""
    del evaluation
